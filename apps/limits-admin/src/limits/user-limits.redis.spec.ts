import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { HOUR_MS } from '#basics';
import { loadConfig } from '#config';
import { eventually } from '#testing';

import { forEachTest, type AdminSuite } from '../admin-suite.fixture.js';
import { Admin, encoded, Fleet } from '../limits-admin.fixture.js';

let admin: Admin;
let fleet: Fleet;
let client: Redis;
let start: AdminSuite['start'];

forEachTest(async (suite) => {
  ({ client, fleet, start } = suite);
  admin = await start();
});

async function redisNowMs() {
  const [seconds, micros] = await client.time();
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}

/** Which part of the body the refusal of this call names. */
async function refusedAt(method: 'PUT' | 'POST', path: string, body: object) {
  const answer = await admin.call(method, path, body);
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: expect.any(String) }] } });
  return (answer.body['errors'] as [{ path: string }])[0].path;
}

async function storedDetails() {
  const document = await client.hget('berth:{default}:limits', 'document');
  const { api } = JSON.parse(document ?? '{}') as { api: { details?: Record<string, { temporary?: object }> } };
  return api.details ?? {};
}

describe('/users/:username/class', () => {
  beforeEach(async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 1, classes: { gold: 3 } });
  });

  it('gives a user the limit of the class, for the next decision', async () => {
    const reply = await admin.call('PUT', '/users/ALICE/class', { class: 'gold' });
    expect(reply).toMatchObject({ status: 200, body: { success: true, username: 'alice', class: 'gold', limit: 3 } });
    expect((await admin.call('GET', '/limits/alice')).body).toMatchObject({ limit: 3, class: 'gold' });
    await fleet.admitAll('alice', 3);
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ max: 3 }] });
  });

  it('is taken back, and the default holds again', async () => {
    await admin.call('PUT', '/users/alice/class', { class: 'gold' });
    expect((await admin.call('DELETE', '/users/alice/class')).body).toMatchObject({ success: true, limit: 1 });
    expect((await admin.call('GET', '/limits/alice')).body).toEqual({ username: 'alice', limit: 1 });
  });

  it('yields to a limit of the user’s own', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 7 });
    expect((await admin.call('PUT', '/users/alice/class', { class: 'gold' })).body).toMatchObject({ limit: 7 });
  });

  it.each([
    [{ class: 'platinum' }, 'user_classes.alice'],
    [{ class: 'Gold!' }, 'class'],
    [{ class: null }, 'class'],
    [{}, 'class'],
  ])('refuses %j with the path %s', async (body, path) => {
    expect(await refusedAt('PUT', '/users/alice/class', body)).toBe(path);
  });
});

describe('/users/:username/temporary-limit', () => {
  it('answers with the moment of its end by the Redis clock, is in the document with it, and is shown', async () => {
    const before = await redisNowMs();
    const lent = { limit: 9, duration: '2h', reason: 'a fair' };
    const { status, body } = await admin.call('POST', '/users/Alice/temporary-limit', lent);
    const after = await redisNowMs();
    expect(body).toMatchObject({ success: true, username: 'alice', limit: 9, reason: 'a fair' });
    const until = Date.parse(String(body['expiresAt']));
    expect(status).toBe(200);
    expect(until).toBeGreaterThanOrEqual(Math.floor(before) + 2 * HOUR_MS);
    expect(until).toBeLessThanOrEqual(after + 2 * HOUR_MS);
    expect((await storedDetails())['user:alice']?.temporary).toMatchObject({ max: 9, untilMs: until });
    const temporary = { limit: 9, expiresAt: body['expiresAt'], by: 'local', reason: 'a fair' };
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ temporary: { 'user:alice': temporary } });
    expect((await admin.call('GET', '/limits/alice')).body).toEqual({ username: 'alice', limit: 9, temporary });
    expect((await admin.call('GET', '/users/alice')).body).toMatchObject({ limit: 9, temporary });
    expect((await admin.call('GET', '/users')).body).toMatchObject({ users: [{ username: 'alice', limit: 9 }] });
  });

  it('holds for the next decision, over a limit of the user’s own, and leaves that', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 1 });
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 2, duration: 3_600 });
    await fleet.admitAll('alice', 2);
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ max: 2 }] });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ user_limits: { alice: 1 } });
  });

  it('is named by the answer to a change of the limit that it covers', async () => {
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 9, duration: '1h' });
    const { body } = await admin.call('PUT', '/limits/alice', { limit: 2 });
    expect(body).toMatchObject({ limit: 2, temporary: { limit: 9 } });
  });

  it('reverts by itself', async () => {
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 9, duration: 1 });
    await eventually(async () => {
      expect((await admin.call('GET', '/limits/alice')).body).toEqual({ username: 'alice', limit: 5 });
    });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ temporary: {} });
    await fleet.admitAll('alice', 5);
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ max: 5 }] });
  });

  it('is ended early by DELETE, also when there is none', async () => {
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 9, duration: '366d' });
    for (let i = 0; i < 2; i++) {
      const reply = await admin.call('DELETE', '/users/alice/temporary-limit');
      expect(reply).toMatchObject({ status: 200, body: { success: true, username: 'alice', limit: 5 } });
    }
    expect(await storedDetails()).toEqual({});
  });

  it('keeps apart who has lent a limit and who has set the one below', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 1, reason: 'for good' });
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 2, duration: 60, reason: 'for a while' });
    expect((await admin.call('GET', '/limits/alice')).body).toMatchObject({
      origin: { reason: 'for good' },
      temporary: { reason: 'for a while' },
    });
  });

  it('goes with the limit of the user', async () => {
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 9, duration: '1h' });
    expect((await admin.call('DELETE', '/limits/alice')).body).toMatchObject({ limit: 5 });
  });

  it.each([
    [{ duration: '1h' }, 'limit'],
    [{ limit: 'many', duration: '1h' }, 'limit'],
    [{ limit: 3 }, 'duration'],
    [{ limit: 3, duration: 0 }, 'duration'],
    [{ limit: 3, duration: '0.5s' }, 'duration'],
    [{ limit: 3, duration: -5 }, 'duration'],
    [{ limit: 3, duration: '367d' }, 'duration'],
    [{ limit: 3, duration: 'soon' }, 'duration'],
    [{ limit: 3, duration: '1e3' }, 'duration'],
    [{ limit: 3, duration: ['1h'] }, 'duration'],
    [{ limit: 3, duration: '1h', reason: 'é'.repeat(513) }, 'reason'],
  ])('refuses %j with the path %s', async (body, path) => {
    expect(await refusedAt('POST', '/users/alice/temporary-limit', body)).toBe(path);
  });
});

describe('/limits/temporary-limit', () => {
  it('is one of all sessions, for the next decision, until it is ended', async () => {
    const { body } = await admin.call('POST', '/limits/temporary-limit', {
      limit: 1,
      duration: '15m',
      reason: 'works',
    });
    expect(body).toMatchObject({ success: true, limit: 1, expiresAt: expect.any(String), reason: 'works' });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({
      max_total_sessions: 0,
      temporary: { total: { limit: 1, expiresAt: body['expiresAt'], reason: 'works' } },
    });
    await fleet.admit('alice');
    expect(await fleet.admit('bob')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'total', max: 1 }] });
    expect((await admin.call('DELETE', '/limits/temporary-limit')).body).toMatchObject({ success: true, limit: 0 });
    expect(await fleet.admit('bob')).toMatchObject({ kind: 'admitted' });
  });

  it('leaves a user of that name to the paths of users', async () => {
    expect(await admin.call('PUT', '/limits/temporary-limit', { limit: 1 })).toMatchObject({ status: 404 });
    expect(await admin.call('GET', `/limits/${encoded('Temporary-Limit')}`)).toMatchObject({ status: 404 });
    const reply = await admin.call('POST', '/users/temporary-limit/temporary-limit', { limit: 3, duration: 60 });
    expect(reply).toMatchObject({ status: 200, body: { username: 'temporary-limit', limit: 3 } });
  });
});

describe('a user named like a path word', () => {
  it.each(['temporary-limit', 'limits', 'groups', 'users', 'limits:simulate', '-', '.', '..', 'a/b?c'])(
    '%s can have a limit, by /limits/- with the name in the body or the query',
    async (username) => {
      const road = `/limits/-?username=${encodeURIComponent(username)}`;
      expect(await admin.call('PUT', '/limits/-', { username, limit: 1 })).toMatchObject({
        status: 200,
        body: { success: true, username, limit: 1, message: `Session limit for user ${username} set to 1` },
      });
      expect((await admin.call('GET', road)).body).toMatchObject({ username, limit: 1 });
      await fleet.admit(username);
      expect(await fleet.admit(username)).toMatchObject({
        kind: 'rejected',
        limits: [{ scope: 'user', key: username }],
      });
      expect((await admin.call('DELETE', road)).body).toMatchObject({ success: true, username, limit: 5 });
      expect((await admin.call('GET', road)).body).toEqual({ username, limit: 5 });
      // The words of the paths mean what they meant.
      expect((await admin.call('GET', '/limits')).body).toMatchObject({
        max_total_sessions: 0,
        user_limits: { _default: 5 },
      });
    },
  );

  it('needs a name there, and a limit', async () => {
    for (const reply of [
      await admin.call('PUT', '/limits/-', { limit: 1 }),
      await admin.call('PUT', '/limits/-', { username: 3, limit: 1 }),
      await admin.call('GET', '/limits/-'),
      await admin.call('DELETE', '/limits/-'),
      await admin.call('GET', '/limits/-?username=a&username=b'),
    ]) {
      expect(reply).toMatchObject({ status: 400, body: { errors: [{ path: 'username' }] } });
    }
    expect(await admin.call('PUT', '/limits/-', { username: 'limits' })).toMatchObject({
      status: 400,
      body: { error: 'Limit value is required' },
    });
    expect((await admin.call('GET', '/limits/temporary-limit')).body).toMatchObject({
      detail: expect.stringContaining('/limits/-'),
    });
  });
});

describe('a limit for alice@example.com while domains are dropped', () => {
  const MEANT = 'username: domains do not count here (identity.domain: drop), so alice@example.com is user alice';
  const warnings = [expect.stringContaining(MEANT)];

  it('answers with the canonical name and a warning, and applies', async () => {
    const reply = await admin.call('PUT', '/limits/alice@example.com', { limit: 1 });
    expect(reply).toMatchObject({ status: 200, body: { username: 'alice', limit: 1, warnings } });
    await fleet.admit('alice');
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user', key: 'alice' }] });
    expect((await admin.call('GET', '/limits/Alice@Example.com')).body).toMatchObject({ username: 'alice', limit: 1 });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ user_limits: { alice: 1 } });
    expect((await admin.call('DELETE', '/limits/alice@example.com')).body).toMatchObject({
      username: 'alice',
      warnings,
    });
  });

  it('is so with temporary limits, classes, and the names of limits in settings', async () => {
    await admin.call('PUT', '/limits', { classes: { gold: 3 } });
    for (const reply of [
      await admin.call('POST', '/users/alice@example.com/temporary-limit', { limit: 9, duration: '1h' }),
      await admin.call('DELETE', '/users/alice@example.com/temporary-limit'),
      await admin.call('PUT', '/users/alice@example.com/class', { class: 'gold' }),
      await admin.call('DELETE', '/users/alice@example.com/class'),
    ]) {
      expect(reply).toMatchObject({ status: 200, body: { username: 'alice', warnings } });
    }
    expect(await admin.call('PUT', '/limits', { observe: ['user:alice@example.com'] })).toMatchObject({
      body: { warnings },
    });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ observe: ['user:alice'] });
  });

  it('leaves a user alone that is known by the whole name, and reaches it by /limits/-', async () => {
    await admin.call('PUT', '/limits/-', { username: 'alice@example.com', limit: 2 });
    const { body } = await admin.call('GET', '/limits/alice@example.com');
    expect(body).toMatchObject({ username: 'alice@example.com', limit: 2 });
    expect(body).not.toHaveProperty('warnings');
    await fleet.admit('bob@example.com');
    const reply = await admin.call('PUT', '/limits/bob@example.com', { limit: 1 });
    expect(reply.body).toMatchObject({ username: 'bob@example.com' });
    expect(await fleet.admit('bob@example.com')).toMatchObject({ kind: 'rejected' });
  });

  it('keeps its domain where domains count, or where names are users as they stand', async () => {
    const { tenants } = loadConfig({ env: {}, cwd: '/' });
    const identity = { ...tenants.default.identity, userFrom: 'user' as const };
    const other = await start({
      config: { tenants: { default: { ...tenants.default, identity } } },
    });
    const { body } = await other.call('PUT', '/limits/alice@example.com', { limit: 1 });
    await other.close();
    expect(body).toMatchObject({ username: 'alice@example.com' });
    expect(body).not.toHaveProperty('warnings');
  });
});

it('refuses limits for names that hold what shows nothing, of users and groups', async () => {
  for (const invisible of ['\u200D', '\uFE0F', '\u0378']) {
    const user = await admin.call('PUT', `/limits/${encoded(`al${invisible}ice`)}`, { limit: 1 });
    expect(user).toMatchObject({ status: 400, body: { errors: [{ path: 'username' }] } });
    await admin.call('PUT', '/groups/trunk', { default: 3 });
    expect((await admin.call('PUT', `/groups/trunk/${encoded(`we${invisible}st`)}`, { limit: 1 })).status).toBe(400);
  }
});

it('leaves no name of a user in the log where users are hashed', async () => {
  const log: string[] = [];
  const { logging } = loadConfig({ env: {}, cwd: '/' });
  const discreet = await start({ log, config: { logging: { ...logging, hashUsers: true } } });
  await discreet.call('POST', '/users/alice/temporary-limit', { limit: 9, duration: '1h' });
  await discreet.call('DELETE', '/users/alice/temporary-limit');
  await discreet.call('PUT', '/limits', { classes: { gold: 3 }, observe: ['user:alice', 'ip'] });
  await discreet.call('PUT', '/users/alice/class', { class: 'gold' });
  await discreet.close();
  const lines = log.filter((line) => line.includes('Limits changed'));
  expect(lines).toHaveLength(4);
  expect(lines.join('')).not.toContain('alice');
  expect(lines.join('')).toContain('"observe":["user:*","ip"]');
});

it('drops from the document what expired more than a day ago with the next change, and nothing younger', async () => {
  await admin.call('PUT', '/limits', { max_sessions_per_user: 4 });
  const nowMs = Math.floor(await redisNowMs());
  await fleet.store.limits.change(fleet.tenant, (api) => ({
    ...api,
    details: {
      'user:old': { temporary: { max: 9, untilMs: nowMs - 25 * HOUR_MS } },
      'user:young': { temporary: { max: 9, untilMs: nowMs - 23 * HOUR_MS } },
    },
  }));
  expect((await admin.call('GET', '/limits')).body).toMatchObject({ temporary: {} });
  await admin.call('PUT', '/limits/alice', { limit: 2 });
  expect(Object.keys(await storedDetails()).toSorted()).toEqual(['user:alice', 'user:young']);
});
