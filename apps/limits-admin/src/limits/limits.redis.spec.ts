import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import type { LimitsLayer } from '#session-core';

import { forEachTest, tenantsWith, type AdminSuite } from '../admin-suite.fixture.js';
import { Admin, DEFAULT_TENANT, encoded, Fleet } from '../limits-admin.fixture.js';

let admin: Admin;
let fleet: Fleet;
let log: string[];

/** A configuration whose file says this of limits. */
function configOf(limits: LimitsLayer) {
  return { tenants: tenantsWith({ default: { limits: { users: { anonymous: 0 }, ...limits } } }) };
}

/** What an answer says of a change that leaves no limit below its use. */
const ROOM = { in_use: [], on_lower: 'drain' };

const FILE: LimitsLayer = { maxSessionsPerUser: 4, users: { anonymous: 0, bob: 3, charlie: 0 } };

let client: Redis;
let start: AdminSuite['start'];

forEachTest(async (suite) => {
  ({ client, fleet, log, start } = suite);
  admin = await start({ config: configOf(FILE) });
  await fleet.store.limits.publishFile(DEFAULT_TENANT, FILE, 'gateway');
});

describe('GET /limits', () => {
  it('shows what the file says', async () => {
    expect(await admin.call('GET', '/limits')).toMatchObject({
      status: 200,
      body: {
        enabled: true,
        enable_session_limits: true,
        max_sessions_per_user: 4,
        session_limit_action: 'reject',
        user_limits: { _default: 4, bob: 3, charlie: 0 },
        source: 'file',
      },
    });
  });

  it('shows the defaults where no file says anything', async () => {
    await client.flushall();
    const plain = await start();
    const { body } = await plain.call('GET', '/limits');
    await plain.close();
    expect(body).toEqual({
      enabled: true,
      enable_session_limits: true,
      max_sessions_per_user: 5,
      session_limit_action: 'reject',
      max_total_sessions: 0,
      total_limit_action: 'reject',
      max_sessions_per_ip_per_hour: 0,
      user_rate: null,
      session_creation_alert_threshold: 0,
      classes: {},
      user_limits: { _default: 5 },
      observe: [],
      reserves: {},
      origins: {},
      temporary: {},
      source: 'default',
      version: 1,
    });
  });

  it('shows, and puts into force, its own file where no gateway has been', async () => {
    await client.flushall();
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ max_sessions_per_user: 4, source: 'file' });
    expect(await new Fleet(client).admit('bob')).toMatchObject({ limits: [{ max: 3 }] });
  });

  it('leaves in force what a gateway has published, whatever this process has for a file', async () => {
    await fleet.store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 7 }, 'gateway');
    const { body } = await admin.call('GET', '/limits');
    expect(body).toMatchObject({ max_sessions_per_user: 7, source: 'file' });
  });

  it('shows a negative limit of the file as unlimited', async () => {
    await fleet.store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: -1, users: { bob: -5 } }, 'gateway');
    const { body } = await admin.call('GET', '/limits');
    expect(body).toMatchObject({ max_sessions_per_user: 0, user_limits: { _default: 0, bob: 0 } });
  });
});

describe('PUT /limits', () => {
  it.each([
    [{ max_sessions_per_user: 2 }, { max_sessions_per_user: 2, session_limit_action: 'reject', enabled: true }],
    [{ maxSessionsPerUser: 2 }, { max_sessions_per_user: 2, session_limit_action: 'reject', enabled: true }],
    [
      { session_limit_action: 'terminate_oldest' },
      { max_sessions_per_user: 4, session_limit_action: 'terminate_oldest' },
    ],
    [{ sessionLimitAction: 'terminate_oldest' }, { session_limit_action: 'terminate_oldest' }],
    [{ enabled: false }, { enabled: false, enable_session_limits: false, max_sessions_per_user: 4 }],
    [{ enable_session_limits: false }, { enabled: false, enable_session_limits: false }],
    [{ max_sessions_per_user: 0 }, { max_sessions_per_user: 0, user_limits: { _default: 0, bob: 3, charlie: 0 } }],
    [{ max_sessions_per_user: -3 }, { max_sessions_per_user: 0 }],
    [{ maxSessionsPerUser: 2, max_sessions_per_user: 2 }, { max_sessions_per_user: 2 }],
  ])('takes %j', async (body, shown) => {
    const reply = await admin.call('PUT', '/limits', body);
    expect([reply.status, reply.body]).toEqual([200, { success: true, message: 'Session limits changed', ...ROOM }]);
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ ...shown, source: 'api' });
  });

  it('leaves what is absent as it was set before', async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 2 });
    await admin.call('PUT', '/limits', { session_limit_action: 'terminate_oldest' });
    await admin.call('PUT', '/limits', {});
    expect((await admin.call('GET', '/limits')).body).toMatchObject({
      max_sessions_per_user: 2,
      session_limit_action: 'terminate_oldest',
    });
  });

  it('takes back what GET showed, and names what it does not take', async () => {
    const { body } = await admin.call('GET', '/limits');
    const reply = await admin.call('PUT', '/limits', body);
    expect(reply).toMatchObject({
      status: 200,
      body: {
        success: true,
        warnings: ['user_limits', 'origins', 'temporary', 'source'].map((name) => expect.stringContaining(name)),
      },
    });
  });

  it('takes null for what is absent, as in every answer that is sent back', async () => {
    const before = (await admin.call('GET', '/limits')).body;
    for (const body of [{ maxSessionsPerUser: null }, { enabled: null, max_total_sessions: null, on_lower: null }]) {
      expect(await admin.call('PUT', '/limits', body)).toMatchObject({ status: 200, body: { success: true } });
    }
    expect((await admin.call('GET', '/limits')).body).toEqual(before);
    await admin.call('PUT', '/limits', { max_sessions_per_user: 7, maxSessionsPerUser: null, version: null });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ max_sessions_per_user: 7 });
  });

  it.each([
    [{ max_sessions_per_user: '3' }, 'max_sessions_per_user'],
    [{ max_sessions_per_user: 2.5 }, 'max_sessions_per_user'],
    [{ max_sessions_per_user: 1e12 }, 'max_sessions_per_user'],
    ['{"max_sessions_per_user":1e999}', 'max_sessions_per_user'],
    [{ enabled: 'true' }, 'enabled'],
    [{ enabled: 1 }, 'enabled'],
    [{ session_limit_action: 'explode' }, 'session_limit_action'],
    [{ sessionLimitAction: ['reject'] }, 'sessionLimitAction'],
    [{ enabled: true, enable_session_limits: false }, 'enable_session_limits'],
    [{ max_sessions_per_user: 2, maxSessionsPerUser: 3 }, 'maxSessionsPerUser'],
    ['[]', 'the body'],
    ['null', 'the body'],
    ['7', 'the body'],
    ['{', 'the body'],
  ])('refuses %j, names the field, and changes nothing', async (body, path) => {
    const reply = await admin.call('PUT', '/limits', body);
    expect([reply.status, reply.headers['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8']);
    expect(reply.body).toMatchObject({ error: expect.any(String), errors: [{ path, message: expect.any(String) }] });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ source: 'file', max_sessions_per_user: 4 });
  });

  it('holds for the very next decision of a gateway that is running', async () => {
    await fleet.admitAll('alice', 4);
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ max: 4, active: 4 }] });
    await admin.call('PUT', '/limits', { max_sessions_per_user: 5 });
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'admitted' });
    await admin.call('PUT', '/limits', { max_sessions_per_user: 1 });
    expect(await fleet.admit('dave')).toMatchObject({ kind: 'admitted' });
    expect(await fleet.admit('dave')).toMatchObject({ kind: 'rejected', limits: [{ max: 1, active: 1 }] });
    await admin.call('PUT', '/limits', { enabled: false });
    expect(await fleet.admit('dave')).toMatchObject({ kind: 'admitted' });
  });

  it('changes the action for the very next decision', async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 1 });
    await fleet.admit('alice', 'old');
    expect(await fleet.admit('alice', 'refused')).toMatchObject({ kind: 'rejected' });
    await admin.call('PUT', '/limits', { session_limit_action: 'terminate_oldest' });
    expect(await fleet.admit('alice', 'new')).toMatchObject({ kind: 'admitted', terminated: [{ id: 'old' }] });
  });

  it('survives a restart of this process and the next publication of the file', async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 9 });
    await admin.call('PUT', '/limits/alice', { limit: 2 });
    await admin.close();
    await new Fleet(client).store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 3 }, 'gateway');
    admin = await start({ config: configOf(FILE) });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({
      max_sessions_per_user: 9,
      user_limits: { _default: 9, alice: 2 },
      source: 'api',
    });
  });

  it('keeps every one of many changes made at once by two admins', async () => {
    const other = await start({ config: configOf(FILE) });
    const users = Array.from({ length: 30 }, (_, i) => `user${i}`);
    const replies = await Promise.all(
      users.map((user, i) => (i % 2 === 0 ? admin : other).call('PUT', `/limits/${user}`, { limit: i + 1 })),
    );
    await other.close();
    expect(replies.map(({ status }) => status)).toEqual(users.map(() => 200));
    const { body } = await admin.call('GET', '/limits');
    expect(body['user_limits']).toEqual({
      _default: 4,
      bob: 3,
      charlie: 0,
      ...Object.fromEntries(users.map((user, i) => [user, i + 1])),
    });
  });

  it('writes a line that says who changed what', async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 9 });
    await admin.call('PUT', '/limits/alice', { limit: 2 });
    const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter(({ message }) => message === 'Limits changed')).toMatchObject([
      { level: 'info', tenant: 'default', by: 'local', said: { maxSessionsPerUser: 9 } },
      { level: 'info', tenant: 'default', by: 'local', user: 'alice', limit: 2 },
    ]);
  });
});

describe('DELETE /limits', () => {
  it('goes back to the file, and leaves the limits of single users', async () => {
    await admin.call('PUT', '/limits/alice', { limit: 9 });
    await admin.call('PUT', '/limits', {
      enabled: false,
      max_sessions_per_user: 1,
      session_limit_action: 'terminate_oldest',
    });
    const reply = await admin.call('DELETE', '/limits');
    expect([reply.status, reply.body]).toEqual([200, { success: true, message: expect.any(String), ...ROOM }]);
    expect((await admin.call('GET', '/limits')).body).toMatchObject({
      enabled: true,
      max_sessions_per_user: 4,
      session_limit_action: 'reject',
      user_limits: { _default: 4, bob: 3, charlie: 0, alice: 9 },
    });
    await fleet.admitAll('dave', 4);
    expect(await fleet.admit('dave')).toMatchObject({ kind: 'rejected', limits: [{ max: 4 }] });
  });

  it('says that the file holds again once no user has a limit by API either', async () => {
    await admin.call('PUT', '/limits', { max_sessions_per_user: 1 });
    await admin.call('PUT', '/limits/alice', { limit: 9 });
    await admin.call('DELETE', '/limits');
    await admin.call('DELETE', '/limits/alice');
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ source: 'file' });
  });
});

describe('/limits/:username', () => {
  it('shows the limit of a user, or the default', async () => {
    expect((await admin.call('GET', '/limits/bob')).body).toEqual({ username: 'bob', limit: 3 });
    expect((await admin.call('GET', '/limits/charlie')).body).toEqual({ username: 'charlie', limit: 0 });
    expect((await admin.call('GET', '/limits/anonymous')).body).toEqual({ username: 'anonymous', limit: 0 });
    expect((await admin.call('GET', '/limits/dave')).body).toEqual({ username: 'dave', limit: 4 });
  });

  it.each([
    [10, 10],
    ['10', 10],
    [' 7 ', 7],
    [0, 0],
    [-1, 0],
    ['-1', 0],
  ])('takes %j', async (limit, stored) => {
    const reply = await admin.call('PUT', '/limits/alice', { limit });
    expect([reply.status, reply.body]).toEqual([
      200,
      {
        success: true,
        username: 'alice',
        limit: stored,
        message: `Session limit for user alice set to ${stored}`,
        ...ROOM,
      },
    ]);
    expect((await admin.call('GET', '/limits/alice')).body).toMatchObject({ username: 'alice', limit: stored });
  });

  it.each([[{}], [{ limit: null }], [undefined], ['']])(
    'says that a limit is required where the body is %j',
    async (body) => {
      const reply = await admin.call('PUT', '/limits/alice', body);
      expect(reply).toMatchObject({ status: 400, body: { error: 'Limit value is required' } });
    },
  );

  it.each([
    ['ten'],
    [''],
    [2.5],
    ['2.5'],
    [true],
    [[1]],
    [{}],
    ['0x10'],
    ['1e3'],
    [1e10],
    ['99999999999'],
    ['10; drop'],
  ])('refuses the limit %j', async (limit) => {
    const reply = await admin.call('PUT', '/limits/alice', { limit });
    expect(reply).toMatchObject({ status: 400, body: { error: expect.any(String), errors: [{ path: 'limit' }] } });
    expect((await admin.call('GET', '/limits/alice')).body).toEqual({ username: 'alice', limit: 4 });
  });

  it('brings back the limit of the file, else the default', async () => {
    await admin.call('PUT', '/limits/bob', { limit: 8 });
    await admin.call('PUT', '/limits/dave', { limit: 8 });
    const bob = await admin.call('DELETE', '/limits/bob');
    expect([bob.status, bob.body]).toEqual([
      200,
      { success: true, username: 'bob', limit: 3, message: expect.any(String), ...ROOM },
    ]);
    expect((await admin.call('DELETE', '/limits/dave')).body).toMatchObject({ limit: 4 });
    expect((await admin.call('DELETE', '/limits/dave')).body).toMatchObject({ limit: 4 });
    expect((await admin.call('GET', '/limits')).body).toMatchObject({ user_limits: { bob: 3 }, source: 'file' });
  });

  it('holds for the very next decision of a gateway that is running', async () => {
    await fleet.admitAll('alice', 4);
    await admin.call('PUT', '/limits/alice', { limit: 5 });
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'admitted' });
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ max: 5, active: 5 }] });
    await admin.call('PUT', '/limits/alice', { limit: 0 });
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'admitted' });
    await admin.call('DELETE', '/limits/alice');
    expect(await fleet.admit('alice')).toMatchObject({ kind: 'rejected', limits: [{ max: 4, active: 6 }] });
  });

  it.each([
    ['ALICE', 'alice'],
    ['sip:Alice@example.com', 'alice'],
    ['tel:+1-415-555-1234', '+14155551234'],
  ])('knows %s as %s', async (written, user) => {
    expect((await admin.call('PUT', `/limits/${encoded(written)}`, { limit: 9 })).body).toMatchObject({
      username: user,
    });
    expect((await admin.call('GET', `/limits/${encoded(user)}`)).body).toMatchObject({ username: user, limit: 9 });
  });

  it.each([
    ['__proto__'],
    ['constructor'],
    ['hasownproperty'],
    ['=cmd|x'],
    ['a/b'],
    ['%41'],
    ['user:version'],
    ['version'],
    ['{tag}'],
    ['a b?c#d'],
    ['ünïcødé 漢字 👩👩👧'],
    ['x'.repeat(256)],
    ['é'.repeat(128)],
  ])('keeps the hostile name %s apart from every other', async (user) => {
    const name = user.toLowerCase().normalize('NFC');
    const path = `/limits/${encoded(user)}`;
    expect((await admin.call('GET', path)).body).toEqual({ username: name, limit: 4 });
    expect(await admin.call('PUT', path, { limit: 2 })).toMatchObject({
      status: 200,
      body: { username: name, limit: 2 },
    });
    const { user_limits: shown } = (await admin.call('GET', '/limits')).body as { user_limits: object };
    expect(Object.entries(shown)).toEqual(
      expect.arrayContaining([
        ['_default', 4],
        [name, 2],
        ['bob', 3],
        ['charlie', 0],
      ]),
    );
    expect(Object.keys(shown)).toHaveLength(4);
    await fleet.admitAll(name, 2);
    expect(await fleet.admit(name)).toMatchObject({ kind: 'rejected', limits: [{ key: name, max: 2, active: 2 }] });
    expect((await admin.call('DELETE', path)).body).toMatchObject({ username: name, limit: 4 });
  });

  it.each([['_default'], ['_DEFAULT'], [' '], ['a\u0000b'], ['\n'], ['sip:@'], ['x'.repeat(257)], ['x'.repeat(600)]])(
    'refuses %j as a name',
    async (user) => {
      for (const method of ['GET', 'PUT', 'DELETE'] as const) {
        const reply = await admin.call(method, `/limits/${encoded(user)}`, method === 'PUT' ? { limit: 1 } : undefined);
        expect(reply).toMatchObject({
          status: 400,
          body: { errors: [{ path: 'username' }], error: expect.any(String) },
        });
      }
    },
  );

  it.each([['%'], ['%zz'], ['%c3'], ['%ff%fe']])('refuses the malformed path %s', async (path) => {
    expect(await admin.call('GET', `/limits/${path}`)).toMatchObject({
      status: 400,
      body: { error: expect.any(String) },
    });
  });
});

it('does not hide the file when a change comes before any gateway, or after Redis has lost everything', async () => {
  await client.flushall();
  await admin.call('PUT', '/limits/alice', { limit: 2 });
  expect(await fleet.admit('bob')).toMatchObject({ limits: [{ max: 3 }] });
  expect(await fleet.admit('dave')).toMatchObject({ limits: [{ max: 4 }] });
});

it('leaves the version alone when there is no override to remove', async () => {
  await admin.call('PUT', '/limits/alice', { limit: 3 });
  const version = await client.hget('berth:{default}:limits', 'version');
  expect((await admin.call('DELETE', '/limits/nobody')).body).toMatchObject({ success: true });
  expect(await client.hget('berth:{default}:limits', 'version')).toBe(version);
});
