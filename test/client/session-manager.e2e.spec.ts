import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';

import { BerthError, InvalidRequestError, SessionManager, SessionRefusedError, UnavailableError } from '#client';
import { describeWith, eventually, startBerth, startRedis, type Berth, type RedisServer } from '#testing';

import { FaultyFront } from './faulty-front.js';

const LIMIT = 5;

describeWith(['redis-server'], 'the session manager in TypeScript', () => {
  let redis: RedisServer;
  let berth: Berth;
  let adminUrl: string;
  const managers: SessionManager[] = [];
  let users = 0;

  beforeAll(async () => {
    redis = await startRedis();
    const configYaml = `limits: { max_sessions_per_user: ${LIMIT} }\nhistory: { storage: memory }`;
    berth = await startBerth({ redisUrl: redis.url, configYaml });
    adminUrl = berth.app('limits-admin').url;
  });
  afterEach(async () => {
    await Promise.all(managers.splice(0).map((one) => one.close()));
  });
  afterAll(async () => {
    await berth?.stop();
    await redis?.stop();
  });

  function manage(options: Partial<ConstructorParameters<typeof SessionManager>[0]> = {}): SessionManager {
    const manager = new SessionManager({
      url: berth.app('admission-gateway').url,
      adminUrl,
      deadlineMs: 20_000,
      ...options,
    });
    managers.push(manager);
    return manager;
  }
  const newUser = () => `user-${(users += 1)}`;

  it('finds a session by its id, as it was made', async () => {
    const [manager, user] = [manage(), newUser()];
    const metadata = { ip: '192.0.2.1', roles: ['ops'] };
    const session = await manager.createSession(user, { ttlSeconds: 3_600, metadata });
    expect(session).toMatchObject({ userId: user, metadata });
    expect(Number(session.expiresAt) - Number(session.createdAt)).toBe(3_600_000);
    expect(await manager.getSession(session.sessionId)).toEqual(session);
  });

  it('makes ids of 128 bits or more, never the same', async () => {
    const [manager, user] = [manage(), newUser()];
    const made = await Promise.all(Array.from({ length: LIMIT }, async () => await manager.createSession(user)));
    expect(new Set(made.map(({ sessionId }) => sessionId)).size).toBe(LIMIT);
    for (const { sessionId } of made) expect(Buffer.from(sessionId, 'base64url').length).toBeGreaterThanOrEqual(16);
  });

  it('ends a session once and for all', async () => {
    const manager = manage();
    const { sessionId } = await manager.createSession(newUser());
    expect(await manager.invalidateSession(sessionId)).toBe(true);
    expect(await manager.getSession(sessionId)).toBeNull();
    expect(await manager.invalidateSession(sessionId)).toBe(true);
    expect(await manager.getSession('never made')).toBeNull();
    expect(await manager.invalidateSession('never made either')).toBe(false);
  });

  it('lets no user have more than the limit, also of 50 logins at once', async () => {
    const [manager, user] = [manage(), newUser()];
    const logins = await Promise.allSettled(Array.from({ length: 50 }, async () => await manager.createSession(user)));
    const refusals = logins.flatMap((login) => (login.status === 'rejected' ? [login.reason as unknown] : []));
    expect(refusals).toHaveLength(50 - LIMIT);
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(SessionRefusedError);
      expect(refusal).toMatchObject({
        code: 'user-limit-exceeded',
        message: `user ${user} has 5 of 5`,
        limits: [{ scope: 'user', key: user, max: LIMIT, active: LIMIT }],
      });
    }
    expect(await manager.getUserSessions(user)).toHaveLength(LIMIT);
  });

  it('logs a user out everywhere, whatever the name', async () => {
    const manager = manage();
    for (const user of ['+14155551234', 'a.b@c', '名前/?#%']) {
      const session = await manager.createSession(user);
      expect(await manager.invalidateUserSessions(user)).toBe(1);
      expect(await manager.getSession(session.sessionId)).toBeNull();
      expect(await manager.getUserSessions(user)).toEqual([]);
    }
  });

  it('lists handles that end a session and open none', async () => {
    const [manager, user] = [manage(), newUser()];
    const { sessionId } = await manager.createSession(user);
    const [listed] = await manager.getUserSessions(user);
    expect(listed?.sessionId).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await manager.getSession(listed?.sessionId ?? '')).toBeNull();
    expect(await manager.invalidateSession(listed?.sessionId ?? '')).toBe(true);
    expect(await manager.getSession(sessionId)).toBeNull();
  });

  it('counts what lives and what is over', async () => {
    const [manager, user] = [manage(), newUser()];
    // History has what came before this session once it has its end.
    const marker = newUser();
    await manager.invalidateSession((await manager.createSession(marker)).sessionId);
    const page = `${adminUrl}/api/sessions/history?status=closed&user=${marker}`;
    await eventually(async () => (await (await fetch(page)).text()).includes(marker), {
      what: 'the marker in history',
    });
    const before = await manager.getSessionStats();
    await manager.createSession(user);
    await manager.invalidateSession((await manager.createSession(user)).sessionId);
    await eventually(async () => (await manager.getSessionStats()).expired_sessions === before.expired_sessions + 1);
    expect(await manager.getSessionStats()).toEqual({
      total_sessions: before.total_sessions + 2,
      active_sessions: before.active_sessions + 1,
      expired_sessions: before.expired_sessions + 1,
    });
    expect(await manager.cleanupExpiredSessions()).toBe(0);
  });

  it('names a wrong field, and an option that is missing', async () => {
    const wrong = await manage()
      .createSession(newUser(), { ttlSeconds: 0 })
      .catch((error: unknown) => error);
    expect(wrong).toBeInstanceOf(InvalidRequestError);
    expect((wrong as InvalidRequestError).errors.map(({ path }) => path)).toEqual(['ttlSeconds']);
    const { url } = berth.app('admission-gateway');
    const alone = new SessionManager({ url });
    managers.push(alone);
    await expect(alone.getUserSessions('alice')).rejects.toThrow('adminUrl must say where limits-admin is');
    expect(() => new SessionManager({ url, adminUrl: 'limits-admin' })).toThrow(BerthError);
  });

  it('makes one session of a login whose answer was lost, and none of one that was given up', async () => {
    const front = await FaultyFront.start(berth.app('admission-gateway').url);
    try {
      const [patient, user] = [manage({ url: front.url }), newUser()];
      front.play('mute');
      const created = patient.createSession(user);
      await eventually(async () => (await manage().getUserSessions(user)).length === 1, { what: 'the first try' });
      front.play('closed'); // its answer is lost
      front.play('none');
      const session = await created;
      expect(await manage().getSession(session.sessionId)).toEqual(session);
      expect(await manage().getUserSessions(user)).toHaveLength(1);

      front.play('mute');
      const other = newUser();
      const hasty = manage({ url: front.url, deadlineMs: 300 });
      await expect(hasty.createSession(other)).rejects.toBeInstanceOf(UnavailableError);
      front.play('none');
      await eventually(async () => (await manage().getUserSessions(other)).length === 0, {
        what: 'it to be given back',
      });
    } finally {
      await front.stop();
    }
  });

  it('gives nobody a session id', async () => {
    const [manager, user] = [manage(), newUser()];
    const { sessionId } = await manager.createSession(user);
    await manager.getSession(sessionId);
    const [listed] = await manager.getUserSessions(user);
    const history = async () => await (await fetch(`${adminUrl}/api/sessions/history?user=${user}`)).text();
    await eventually(async () => (await history()).includes(user), { what: 'the session in history' });
    const seen = [await redis.onDisk(), await history(), ...berth.apps.map(({ process }) => process.output())].join(
      '\n',
    );
    expect(seen.includes(listed?.sessionId ?? 'none')).toBe(true); // so that the search finds what is there
    expect(seen.includes(sessionId)).toBe(false);
  });
});
