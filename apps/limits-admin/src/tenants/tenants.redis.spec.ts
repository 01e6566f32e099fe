import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { newKey, type NewKey } from '#service-kit';

import { forEachTest, tenantsWith, type AdminSuite } from '../admin-suite.fixture.js';
import { Admin, Fleet } from '../limits-admin.fixture.js';

const ACME = { name: 'acme', shards: 2 };
const ofAcme = { 'berth-tenant': 'acme' };

let admin: Admin;
let client: Redis;
let start: AdminSuite['start'];

forEachTest((suite) => {
  ({ client, start } = suite);
});

const TENANTS = tenantsWith({ acme: ACME, other: {} });

describe('without keys', () => {
  beforeEach(async () => {
    admin = await start({ config: { tenants: TENANTS } });
  });

  it('all tenants are shown, with their sessions, users, live nodes and limits', async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 3 }, ofAcme);
    const fleet = new Fleet(client, ACME);
    await fleet.admitAll('alice', 2);
    await fleet.admitAll('bob', 1);
    const { body } = await admin.call('GET', '/tenants');
    expect(body).toMatchObject({
      tenants: [
        { name: 'default', shards: 1, activeSessions: 0, users: 0, nodesLive: 0 },
        {
          name: 'acme',
          shards: 2,
          activeSessions: 3,
          users: 2,
          nodesLive: 0,
          limits: { enabled: true, max_sessions_per_user: 3, session_limit_action: 'reject', max_total_sessions: 0 },
        },
        { name: 'other' },
      ],
      total: 3,
    });
    expect((await admin.call('GET', '/tenants/acme')).body).toMatchObject({ name: 'acme', activeSessions: 3 });
  });

  it.each(['nobody', 'constructor', '__proto__', 'Default'])('there is no tenant %s', async (name) => {
    expect(await admin.call('GET', `/tenants/${name}`)).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  it('what spans the shards of a tenant is refused there, with the reason', async () => {
    for (const [method, path, body, at] of [
      ['PUT', '/limits', { max_total_sessions: 5 }, 'max_total_sessions'],
      ['PUT', '/limits', { max_sessions_per_ip_per_hour: 5 }, 'max_sessions_per_ip_per_hour'],
      ['PUT', '/limits', { session_creation_alert_threshold: 5 }, 'session_creation_alert_threshold'],
      ['PUT', '/groups/trunk', { default: 5 }, 'groups.trunk.default'],
      ['PUT', '/groups/trunk', { rate: { per_second: 1, burst: 1 } }, 'groups.trunk.rate.per_second'],
      ['POST', '/limits/temporary-limit', { limit: 5, duration: 60 }, 'temporary.total'],
    ] as const) {
      expect(await admin.call(method, path, body, ofAcme)).toMatchObject({
        status: 400,
        body: { errors: [{ path: at, message: expect.stringContaining('2 shards') }] },
      });
    }
    const exact = { max_sessions_per_user: 4, classes: { gold: 9 }, user_rate: { per_second: 1, burst: 9 } };
    expect(await admin.call('PUT', '/limits', exact, ofAcme)).toMatchObject({ status: 200 });
  });

  it('groups of a tenant are tracked over its shards', async () => {
    const fleet = new Fleet(client, ACME);
    for (const user of ['alice', 'bob', 'carol', 'dave']) await fleet.admitIn(['trunk:west'], user);
    expect((await admin.call('GET', '/groups', undefined, ofAcme)).body).toMatchObject({
      groups: [{ group: 'trunk:west', activeSessions: 4, limit: 0 }],
    });
    expect((await admin.call('GET', '/groups/trunk/west', undefined, ofAcme)).body).toMatchObject({
      activeSessions: 4,
    });
  });
});

describe('with keys', () => {
  const [mine, theirs] = [newKey(), newKey()];
  const bearer = ({ key }: NewKey) => ({ authorization: `Bearer ${key}` });

  beforeEach(async () => {
    const keyOf = ({ hash }: NewKey, tenant: string) => ({
      id: tenant,
      tenant,
      hash: hash.slice('sha256:'.length),
      role: 'admin' as const,
      nodes: null,
      emergency: false,
    });
    const auth = { keys: [keyOf(mine, 'default'), keyOf(theirs, 'other')] };
    admin = await start({ config: { tenants: TENANTS, auth } });
  });

  it('a key sees its own tenant only', async () => {
    expect((await admin.call('GET', '/tenants', undefined, bearer(theirs))).body).toMatchObject({
      tenants: [{ name: 'other' }],
      total: 1,
    });
    expect(await admin.call('GET', '/tenants/other', undefined, bearer(theirs))).toMatchObject({ status: 200 });
  });

  it.each(['default', 'acme', 'nobody'])('a key of another tenant hears 403 of %s', async (name) => {
    expect(await admin.call('GET', `/tenants/${name}`, undefined, bearer(theirs))).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });

  it('a key neither reads nor changes the limits and groups of another tenant', async () => {
    const own = bearer(mine);
    const stranger = bearer(theirs);
    await admin.call('PUT', '/limits', { max_total_sessions: 7, classes: { gold: 9 } }, own);
    await admin.call('PUT', '/groups/trunk', { default: 5 }, own);
    await admin.call('PUT', '/groups/trunk/west', { limit: 6 }, own);
    await admin.call('POST', '/users/alice/temporary-limit', { limit: 8, duration: 60 }, own);
    const before = [
      await admin.call('GET', '/limits', undefined, own),
      await admin.call('GET', '/groups', undefined, own),
    ];

    for (const [method, path, body] of [
      ['PUT', '/limits', { max_total_sessions: 1 }],
      ['DELETE', '/limits', undefined],
      ['PUT', '/limits/alice', { limit: 1 }],
      ['DELETE', '/users/alice/temporary-limit', undefined],
      ['PUT', '/groups/trunk', { default: 1 }],
      ['PUT', '/groups/trunk/west', { limit: 1 }],
      ['DELETE', '/groups/trunk/west', undefined],
      ['DELETE', '/groups/trunk', undefined],
    ] as const) {
      expect(await admin.call(method, path, body, stranger)).toMatchObject({ status: 200 });
      expect(await admin.call(method, path, body, { ...stranger, 'berth-tenant': 'default' })).toMatchObject({
        status: 403,
      });
    }
    const after = [
      await admin.call('GET', '/limits', undefined, own),
      await admin.call('GET', '/groups', undefined, own),
    ];
    expect(after.map(({ body }) => body)).toEqual(before.map(({ body }) => body));
    expect((await admin.call('GET', '/groups', undefined, stranger)).body).toMatchObject({ kinds: [], groups: [] });
    expect((await admin.call('GET', '/limits', undefined, stranger)).body).toMatchObject({
      max_total_sessions: 0,
      temporary: {},
    });
  });
});
