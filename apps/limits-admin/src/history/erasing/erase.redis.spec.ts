import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import type { HistoryConfig } from '#config';
import { History } from '#history-projector';
import { DeadLettersStore, historyKeys, inboxKeys, shardKeys } from '#session-core';
import { askPostgres, eventually, startPostgres, type PostgresServer } from '#testing';

import { forEachTest, type AdminSuite } from '../../admin-suite.fixture.js';
import { keysOfEveryKind } from '../../keys.fixture.js';
import { type Admin, DEFAULT_TENANT, Fleet } from '../../limits-admin.fixture.js';
import { get, SETTINGS } from '../api/history.fixture.js';

const USER = 'alice-of-secret-lane';
const KEYS = shardKeys(DEFAULT_TENANT, 0);
const PATH = `/users/${USER}/history`;

async function newDatabase(url: string): Promise<string> {
  const name = `h${randomUUID().replaceAll('-', '')}`;
  await askPostgres(url, `create database ${name}`);
  return url.replace(/\/postgres$/, `/${name}`);
}

describe.each(['sqlite', 'postgres'] as const)('Erase a person (%s)', (kind) => {
  let postgres: PostgresServer | undefined;
  let client: Redis;
  let admin: Admin;
  let fleet: Fleet;
  let log: string[];
  let settings: HistoryConfig;
  let startAdmin: AdminSuite['start'];

  beforeAll(async () => {
    if (kind === 'postgres') postgres = await startPostgres();
  });

  afterAll(() => postgres?.stop());

  forEachTest(async (suite) => {
    ({ client, fleet, log, start: startAdmin } = suite);
    const file = `sqlite://${join(suite.dir, 'history.db')}`;
    settings = { ...SETTINGS, url: postgres === undefined ? file : await newDatabase(postgres.url) };
    await start();
  });

  async function start(changed: Partial<HistoryConfig> = {}, config: object = {}): Promise<void> {
    await admin?.close();
    admin = await startAdmin({ config: { history: { ...settings, ...changed }, ...config } });
    await eventually(() => admin.app.get(History).writer === 'here');
    await admin.call('PUT', '/limits', { max_sessions_per_user: 3 });
  }

  /** Sessions that have ended, the last of them at its limit, so that there are refusals, too. */
  async function live(user: string): Promise<void> {
    for (let n = 0; n < 3; n++) {
      await fleet.admit(user, `call-${n}-of-${user}`, {
        from: `<sip:${user}@example.com>`,
        to: `sip:friend-of-${user}@example.com`,
        sourceIp: '192.0.2.77',
        destination: '198.51.100.7:5060',
        metadata: { agent: `phone of ${user}` },
      });
    }
    await fleet.admit(user, `too-many-of-${user}`);
    for (let n = 0; n < 3; n++) await end(`call-${n}-of-${user}`);
  }

  const end = async (sessionId: string) =>
    await fleet.store.end(
      DEFAULT_TENANT,
      { sessionId },
      { reason: 'completed', by: 'node', note: '', totals: { bytesSent: 7 } },
    );

  const total = async (user: string) => (await get(admin, `/api/users/${user}/sessions`)).body['total'];
  const stats = async () => (await get(admin, '/api/sessions/stats')).body;
  const everything = async () => (await admin.app.inject('/api/sessions/history/export?format=jsonl')).payload;

  it('DELETE /api/sessions/users/{user}/history leaves their rows and sums under a name that is made up', async () => {
    await live(USER);
    await live('bob');
    await eventually(async () => expect([await total(USER), await total('bob')]).toEqual([4, 4]));
    await eventually(async () => {
      expect((await get(admin, '/api/sessions/history?status=closed')).body['total']).toBe(6);
    });
    const before = await stats();
    const answer = await admin.call('DELETE', PATH);
    expect(answer).toMatchObject({
      status: 200,
      body: { success: true, username: USER, mode: 'pseudonymise', sessions: 3, refusals: 1 },
    });
    expect([await total(USER), await total('bob')]).toEqual([0, 4]);
    expect(await everything()).not.toMatch(/secret/);
    expect((await everything()).match(/192\.0\.2\.77/g)).toHaveLength(3);
    const after = await stats();
    const [top] = (before['top_users'] as { user: string }[]).filter(({ user }) => user === USER);
    const renamed = (after['top_users'] as { user: string }[]).find(({ user }) => user.startsWith('erased-'));
    expect(renamed).toEqual({ ...top, user: renamed?.user });
    expect({ ...after, top_users: [] }).toEqual({ ...before, top_users: [] });
    expect((await get(admin, `/api/users/${renamed?.user}/sessions`)).body['total']).toBe(4);
  });

  it('removes them where history.erase says so', async () => {
    await start({ erase: 'remove' });
    await live(USER);
    await live('bob');
    await eventually(async () => expect([await total(USER), await total('bob')]).toEqual([4, 4]));
    expect((await admin.call('DELETE', PATH)).body).toMatchObject({ mode: 'remove', sessions: 3, refusals: 1 });
    expect(await everything()).not.toMatch(/secret|erased-/);
    expect(await stats()).toMatchObject({ total_sessions: 3, top_users: [{ user: 'bob' }] });
  });

  it('is refused while the user has live sessions, and says what to do', async () => {
    await live(USER);
    await fleet.admit(USER, 'live');
    const refused = await admin.call('DELETE', PATH);
    expect(refused).toMatchObject({
      status: 409,
      body: {
        code: 'user-has-sessions',
        error: expect.stringContaining(`DELETE /api/sessions/users/${USER}/sessions`),
      },
    });
    await eventually(async () => expect(await total(USER)).toBe(5));
    await admin.call('DELETE', `/users/${USER}/sessions`);
    expect((await admin.call('DELETE', PATH)).body).toMatchObject({ sessions: 4 });
  });

  it('keeps no count of refusals either, that nobody has written down', async () => {
    await live(USER);
    await live('bob');
    for (const user of [USER, 'bob']) {
      for (let n = 0; n < 3; n++) await fleet.admit(user, `more-${n}-of-${user}`);
      for (let n = 0; n < 20; n++) await fleet.admit(user, `too-many-${n}-of-${user}`);
      for (let n = 0; n < 3; n++) await end(`more-${n}-of-${user}`);
    }
    expect(JSON.stringify(await client.hgetall(KEYS.refusals))).toContain(USER);
    expect((await admin.call('DELETE', PATH)).body).toMatchObject({ sessions: 6 });
    const noted = JSON.stringify(await client.hgetall(KEYS.refusals));
    expect([noted.includes(USER), noted.includes('bob')]).toEqual([false, true]);
  });

  it('twice is fine, and who is not known has no rows', async () => {
    await live(USER);
    await admin.call('DELETE', PATH);
    for (const path of [PATH, '/users/nobody/history']) {
      expect(await admin.call('DELETE', path)).toMatchObject({ status: 200, body: { sessions: 0, refusals: 0 } });
    }
  });

  it('takes the user written in any way that names it', async () => {
    await live('carol');
    const path = `/users/${encodeURIComponent('"C" <sip:CAROL@example.com;x=1>')}/history`;
    expect((await admin.call('DELETE', path)).body).toMatchObject({ username: 'carol', sessions: 3 });
  });

  it('says whose history it may be where a name with a domain has none', async () => {
    await live('carol');
    expect((await admin.call('DELETE', '/users/carol@example.com/history')).body).toMatchObject({
      sessions: 0,
      warnings: [expect.stringContaining('user carol')],
    });
    await eventually(async () => expect(await total('carol')).toBe(4));
  });

  it('is written down with its caller, without the name', async () => {
    const kinds = keysOfEveryKind();
    await live(USER);
    await start({}, { auth: kinds.auth });
    expect((await admin.call('DELETE', PATH, undefined, kinds.by('operator'))).status).toBe(403);
    expect((await admin.call('DELETE', PATH, undefined, kinds.by('admin'))).status).toBe(200);
    const line = log.find((one) => one.includes('History of a user erased')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ by: 'admin', tenant: 'default', mode: 'pseudonymise', sessions: 3 });
    expect(line).not.toContain('secret');
  });

  it('waits for what is in the streams, and nothing there brings the name back', async () => {
    await live(USER);
    // Not a moment later: the last ends are still on their way.
    expect((await admin.call('DELETE', PATH)).body).toMatchObject({ sessions: 3, refusals: 1 });
    for (const stream of [KEYS.events, KEYS.rejections]) {
      expect(JSON.stringify(await client.xrange(stream, '-', '+'))).not.toContain('secret');
      await client.xgroup('SETID', stream, historyKeys.group, '0');
    }
    await fleet.admit('bob', 'a-later-one');
    await eventually(async () => expect(await total('bob')).toBe(1));
    expect([await total(USER), (await everything()).includes('secret')]).toEqual([0, false]);
    expect((await admin.call('GET', `/users/${USER}`)).body).toMatchObject({ lastRefusal: null });
  });

  it('takes their dead letters away, and nobody else’s', async () => {
    const stream = inboxKeys.deadLetters('default');
    const letter = (fields: string[]) =>
      client.xadd(
        stream,
        '*',
        ...fields,
        'dead.reason',
        'x',
        'dead.stream',
        KEYS.events,
        'dead.streamId',
        '1-1',
        'dead.deliveries',
        '1',
      );
    await letter(['type', 'session.started', 'sessionId', 'a', 'from', `"A" <sip:${USER}@example.com>`]);
    await letter(['type', 'session.ended', 'sessionId', 'b', 'user', USER.toUpperCase()]);
    const held = (...users: string[]) =>
      JSON.stringify(users.map((user) => ({ id: `held-${user}`, user, startedAt: 'bad' })));
    await letter(['type', 'node.snapshot', 'node', 'n', 'epoch', '1', 'sessions', held('carol', USER)]);
    await letter(['type', 'node.snapshot', 'node', 'n', 'epoch', '1', 'sessions', held('carol')]);
    await letter(['type', 'session.started', 'sessionId', 'c', 'user', 'bob']);
    await admin.call('DELETE', PATH);
    const { deadLetters } = await new DeadLettersStore(client, 5_000, [DEFAULT_TENANT]).page('default', null, 10);
    const left = deadLetters.map(({ fields }) => fields['user'] ?? fields['sessions']);
    expect(new Set(left)).toEqual(new Set([held('carol'), 'bob']));
  });

  it('is refused while something that servers published is not yet on the books', async () => {
    await live(USER);
    await client.xadd(inboxKeys.events(0), '*', 'v', '1', 'type', 'session.ended', 'sessionId', 'x', 'user', USER);
    await client.xgroup('CREATE', inboxKeys.events(0), inboxKeys.group, '0');
    const refused = await admin.call('DELETE', PATH);
    expect(refused).toMatchObject({
      status: 503,
      body: { code: 'history-unavailable', error: expect.stringContaining(inboxKeys.events(0)) },
    });
    expect(refused.headers['retry-after']).toBeDefined();
    expect(await total(USER)).toBe(4);
    await client.xreadgroup('GROUP', inboxKeys.group, 'c', 'COUNT', '1', 'STREAMS', inboxKeys.events(0), '>');
    const [[id]] = (await client.xrange(inboxKeys.events(0), '-', '+')) as [[string, string[]]];
    await client.xack(inboxKeys.events(0), inboxKeys.group, id);
    expect((await admin.call('DELETE', PATH)).body).toMatchObject({ sessions: 3 });
  });

  it('what a process that died had begun is completed by the next one that writes', async () => {
    await live(USER);
    await eventually(async () => expect(await total(USER)).toBe(4));
    const { database } = admin.app.get(History);
    const untilMs = Date.now() + 1_000;
    const asked = { tenant: 'default', user: USER, mode: 'pseudonymise', untilMs, by: 'who-died' } as const;
    await database.beginErasure(asked);
    await start();
    await eventually(() => log.some((line) => line.includes('History of a user erased')), { timeoutMs: 20_000 });
    expect(JSON.parse(log.find((line) => line.includes('erased'))!)).toMatchObject({ by: 'who-died', sessions: 3 });
    expect([await total(USER), (await everything()).includes('secret')]).toEqual([0, false]);
    expect(await admin.app.get(History).database.unfinishedErasures()).toEqual([]);
  });

  it('leaves no byte of the name in the files of history', async () => {
    await live(USER);
    await admin.call('DELETE', PATH);
    if (kind === 'postgres') return expect(await everything()).not.toContain('secret');
    const path = settings.url.replace('sqlite://', '');
    const files = [path, `${path}-wal`, `${path}-shm`].filter((file) => existsSync(file));
    expect(files.filter((file) => readFileSync(file).includes(USER))).toEqual([]);
  });
});
