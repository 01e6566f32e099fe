import { beforeEach, describe, expect, it } from '@jest/globals';

import { loadConfig, type Role } from '#config';
import { newKey, type NewKey } from '#service-kit';
import { eventually, startRedis } from '#testing';

import { forEachTest, tenantsWith } from './admin-suite.fixture.js';
import { type Admin, Fleet } from './limits-admin.fixture.js';

const LENT = { limit: 3, duration: '1h', reason: 'a fair' };

/** What people may call who watch. */
const WATCHED = [
  ['GET', '/limits', undefined],
  ['GET', '/limits/alice', undefined],
  ['POST', '/limits:simulate', { max_sessions_per_user: 3 }],
  ['GET', '/groups', undefined],
  ['GET', '/groups/trunk', undefined],
  ['GET', '/groups/trunk/west', undefined],
  ['GET', '/tenants', undefined],
  ['GET', '/users', undefined],
  ['GET', '/users/alice', undefined],
  ['GET', '/active', undefined],
  ['GET', '/tenants/default', undefined],
] as const;

/** What they may call who change limits. */
const CHANGED = [
  ['PUT', '/limits', { max_sessions_per_user: 3, classes: { gold: 20 } }],
  ['POST', '/limits/temporary-limit', LENT],
  ['DELETE', '/limits/temporary-limit', undefined],
  ['PUT', '/limits/alice', { limit: 3 }],
  ['DELETE', '/limits/alice', undefined],
  ['PUT', '/users/alice/class', { class: 'gold' }],
  ['DELETE', '/users/alice/class', undefined],
  ['POST', '/users/alice/temporary-limit', LENT],
  ['DELETE', '/users/alice/temporary-limit', undefined],
  ['PUT', '/groups/trunk', { default: 3 }],
  ['PUT', '/groups/trunk/west', { limit: 3 }],
  ['POST', '/groups/trunk/west/temporary-limit', LENT],
  ['DELETE', '/groups/trunk/west/temporary-limit', undefined],
  ['DELETE', '/groups/trunk/west', undefined],
  ['DELETE', '/groups/trunk', undefined],
  ['DELETE', '/limits', undefined],
  ['PUT', '/nodes/b2bua-1', { draining: true }],
] as const;

/** The rest. */
const RESERVED = [
  ['DELETE', '/a1', undefined],
  ['POST', '/a1/terminate', undefined],
  ['DELETE', '/users/alice/sessions', undefined],
  ['DELETE', '/nodes/a1', undefined],
] as const;

const CALLS = [...WATCHED, ...CHANGED, ...RESERVED];

let admin: Admin;

const suite = forEachTest();

/** The second is of two shards. */
const TENANTS = tenantsWith({ acme: { shards: 2 } });

const ACME = { name: 'acme', shards: 2 };

describe('tenants', () => {
  it('keeps users and limits of one tenant from another', async () => {
    admin = await suite.start({ config: { tenants: TENANTS } });
    const acme = { 'berth-tenant': 'acme' };
    await admin.call('PUT', '/limits/alice', { limit: 1 }, acme);
    expect((await admin.call('GET', '/limits/alice')).body).toMatchObject({ limit: 5 });
    expect((await admin.call('GET', '/limits/alice', undefined, acme)).body).toMatchObject({ limit: 1 });
    const fleet = new Fleet(suite.client, ACME);
    await fleet.admit('alice', 'a1');
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected' });
    expect((await admin.call('GET', '/users')).body).toMatchObject({ total: 0 });
    expect((await admin.call('GET', '/users', undefined, acme)).body).toMatchObject({ total: 1 });
    expect(await admin.call('DELETE', '/a1')).toMatchObject({ status: 404 });
    expect(await admin.call('DELETE', '/a1', undefined, acme)).toMatchObject({ status: 200 });
    expect(await admin.call('GET', '/users', undefined, { 'berth-tenant': 'other' })).toMatchObject({ status: 403 });
  });

  it('changes limits in every shard, lists them all, and asks for the user where an id is live twice', async () => {
    admin = await suite.start({ config: { tenants: TENANTS } });
    const acme = { 'berth-tenant': 'acme' };
    const fleet = new Fleet(suite.client, ACME);
    const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
    await admin.call('PUT', '/limits', { max_sessions_per_user: 1 }, acme);
    for (const user of users) {
      expect(await fleet.admit(user, `${user}-1`)).toMatchObject({ kind: 'admitted' });
      expect(await fleet.admit(user)).toMatchObject({ kind: 'rejected', limits: [{ max: 1 }] });
    }
    const { body } = await admin.call('GET', '/active', undefined, acme);
    expect(body['sessions']).toHaveLength(users.length);
    expect((await admin.call('GET', '/users', undefined, acme)).body).toMatchObject({ total: users.length });

    await admin.call('PUT', '/limits', { max_sessions_per_user: 0 }, acme);
    for (const user of users) await fleet.admit(user, 'same-id');
    expect(await admin.call('DELETE', '/same-id', undefined, acme)).toMatchObject({ status: 409 });
    expect(await admin.call('DELETE', '/same-id?user=ALICE', undefined, acme)).toMatchObject({ status: 200 });
  });
});

describe('keys', () => {
  const made: Record<Role, NewKey> = { node: newKey(), viewer: newKey(), operator: newKey(), admin: newKey() };
  const foreign = newKey();
  const bearer = ({ key }: NewKey) => ({ authorization: `Bearer ${key}` });

  beforeEach(async () => {
    const base = { tenant: 'default', nodes: null, emergency: false };
    const hash = (key: NewKey) => key.hash.slice('sha256:'.length);
    const keys = (Object.keys(made) as Role[]).map((role) => ({ ...base, id: role, hash: hash(made[role]), role }));
    const acme = { ...base, id: 'acme', hash: hash(foreign), role: 'admin' as const, tenant: 'acme' };
    admin = await suite.start({ config: { tenants: TENANTS, auth: { keys: [...keys, acme] } } });
  });

  /** Whom a call lets through: 401 without a key, 403 for the roles before the first that may, the answer for that and all after it. */
  async function allows(first: Role, [method, path, body]: (typeof CALLS)[number]) {
    const roles = ['node', 'viewer', 'operator', 'admin'] as const;
    expect(await admin.call(method, path, body)).toMatchObject({ status: 401, body: { error: expect.any(String) } });
    const statuses = [];
    for (const role of roles) statuses.push((await admin.call(method, path, body, bearer(made[role]))).status);
    const allowed = path.includes('a1') ? 404 : 200;
    expect(statuses).toEqual(roles.map((_, i) => (i < roles.indexOf(first) ? 403 : allowed)));
  }

  it.each(WATCHED)('%s %s needs the role viewer', async (...call) => {
    await allows('viewer', call);
  });

  it.each(CHANGED)('%s %s needs the role operator', async (...call) => {
    await admin.call('PUT', '/limits', { classes: { gold: 20 } }, bearer(made.admin));
    await admin.call('PUT', '/groups/trunk', { default: 2 }, bearer(made.admin));
    await allows('operator', call);
  });

  it.each(RESERVED)('%s %s needs the role admin', async (...call) => {
    await allows('admin', call);
  });

  it('takes the tenant from the key, and names the key in the log', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 1 }, bearer(foreign));
    expect((await admin.call('GET', '/limits/alice', undefined, bearer(made.admin))).body).toMatchObject({ limit: 5 });
    const other = { ...bearer(made.admin), 'berth-tenant': 'acme' };
    expect(await admin.call('GET', '/limits/alice', undefined, other)).toMatchObject({ status: 403 });
  });
});

describe('while Redis is away', () => {
  it('answers 503 to every call, and recovers without a restart', async () => {
    const away = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    try {
      admin = await suite.start({ redisUrl: away.url });
      await admin.call('PUT', '/limits/alice', { limit: 2 });
      await away.kill();
      for (const [method, path, body] of CALLS) {
        const reply = await admin.call(method, path, body);
        expect([method, path, reply.status, reply.headers['retry-after']]).toEqual([method, path, 503, '1']);
        expect(reply.body).toMatchObject({ code: 'store-unavailable', error: expect.any(String) });
      }
      const scrape = await admin.app.inject('/metrics');
      expect(scrape.statusCode).toBe(200);
      expect(scrape.payload).not.toMatch(/^(active_sessions|berth_sessions_active)/m);
      await away.restart();
      await eventually(async () => {
        expect(await admin.call('GET', '/limits/alice')).toMatchObject({ status: 200, body: { limit: 2 } });
      });
    } finally {
      await away.stop();
    }
  });

  it('answers 503 in bounded time when Redis hangs', async () => {
    const hung = await startRedis();
    try {
      const { store, redis: connection } = loadConfig({ env: { BERTH_REDIS_URL: hung.url }, cwd: '/' });
      admin = await suite.start({ redisUrl: hung.url, config: { store, redis: connection } });
      await eventually(async () => expect(await admin.call('GET', '/limits')).toMatchObject({ status: 200 }));
      hung.pause();
      const replies = await Promise.all(CALLS.map(([method, path, body]) => admin.call(method, path, body)));
      expect(replies.map(({ status }) => status)).toEqual(CALLS.map(() => 503));
      hung.resume();
      await eventually(async () => {
        expect(await admin.call('GET', '/limits')).toMatchObject({ status: 200 });
      });
    } finally {
      hung.resume();
      await hung.stop();
    }
  });
});

it.each([
  ['GET', '/nothing/of/this'],
  ['GET', ''],
  ['POST', '/limits'],
  ['PUT', '/users'],
  ['POST', '/active'],
  ['DELETE', '/users/alice'],
  ['GET', '/limits/alice/more'],
  ['GET', '/limits/temporary-limit'],
  ['PUT', '/limits/temporary-limit'],
  ['PUT', '/limits/TEMPORARY-LIMIT'],
  ['POST', '/groups'],
  ['DELETE', '/groups'],
  ['DELETE', '/tenants'],
  ['PUT', '/tenants/default'],
  ['POST', '/groups/trunk/west'],
] as const)('answers %s %s with 404 as problem details', async (method, path) => {
  admin = await suite.start();
  const reply = await admin.call(method, path);
  expect([reply.status, reply.headers['content-type']]).toEqual([404, 'application/problem+json; charset=utf-8']);
  expect(reply.body).toMatchObject({ code: 'not-found', error: expect.any(String) });
});
