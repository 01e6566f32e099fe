import { afterEach, describe, expect, it } from '@jest/globals';

import { LimitsStore, shardKeys } from '#session-core';
import { eventually, onRedis, type OnRedis } from '#testing';

import { startGateway, stopGateways, type Answer, type Gateway } from '../gateway.fixture.js';

const TENANT = { name: 'default', shards: 1 };
const KEYS = shardKeys(TENANT, 0);
const EXCEEDED = 'Session limit exceeded';
const NOBODY_CONFIGURED = /nobody|no kind/;

let redis: OnRedis['redis'];
let books: OnRedis['client'];

onRedis((on) => ({ redis, client: books } = on));

afterEach(stopGateways);

/** A gateway with these limits; those of users are off by default. */
async function gatewayWith(limits: object, { sections = {}, env = {} } = {}): Promise<Gateway> {
  const file = { limits: { max_sessions_per_user: 0, ...limits }, ...sections };
  return await startGateway(redis, { configYaml: JSON.stringify(file), env }); // JSON is YAML
}

/** Admits sessions that have room, one after the other. */
async function admitAll(gateway: Gateway, ...bodies: Record<string, unknown>[]): Promise<void> {
  for (const body of bodies) expect((await gateway.admit(body)).status).toBe(201);
}

const refusal = (code: string) => ({ type: `urn:berth:problem:${code}`, code, status: 429, decision: 'rejected' });
const linesOf = (gateway: Gateway, wanted: string) => gateway.log.filter(({ message }) => message === wanted);
const live = async () => await books.zcard(KEYS.deadlines);
const waitOf = ({ body }: Answer) => (body['limits'] as { retryAfterMs: number }[])[0]!.retryAfterMs;

describe('a full limit on sessions', () => {
  it('of groups refuses with 429, every full group, and the SIP answer of groups', async () => {
    const sections = { sip: { group: { code: 480, reason: 'No Trunk' }, user: { code: 603, reason: 'Declined' } } };
    const gateway = await gatewayWith(
      { groups: { trunk: { default: 1 }, customer: { overrides: { acme: 1 } } } },
      { sections },
    );
    const groups = ['trunk:west', 'customer:acme', 'customer:other'];
    await admitAll(gateway, { groups });

    const { status, headers, body } = await gateway.admit({ user: 'bob', groups });

    expect([status, headers['content-type']]).toEqual([429, 'application/problem+json; charset=utf-8']);
    expect(body).toEqual({
      ...refusal('group-limit-exceeded'),
      title: expect.any(String),
      detail: expect.stringMatching(/trunk:west has 1 of 1.*customer:acme has 1 of 1/),
      policyVersion: expect.any(Number),
      limits: [
        { scope: 'group', key: 'trunk:west', max: 1, active: 1 },
        { scope: 'group', key: 'customer:acme', max: 1, active: 1 },
      ],
      sip: { code: 480, reason: 'No Trunk' },
    });
    expect(headers).not.toHaveProperty('retry-after');
    expect(await live()).toBe(1);
  });

  it('of the total refuses with 429 and SIP 503, for every user', async () => {
    const gateway = await gatewayWith({ max_total_sessions: 2 });
    await admitAll(gateway, { user: 'alice' }, { user: undefined, protocol: 'ssh' });

    expect(await gateway.admit({ user: 'bob' })).toMatchObject({
      status: 429,
      body: {
        ...refusal('total-limit-exceeded'),
        limits: [{ scope: 'total', key: '*', max: 2, active: 2 }],
        sip: { code: 503, reason: 'Service Unavailable' },
      },
    });
    expect((await gateway.admit({ user: undefined, protocol: 'ssh' })).status).toBe(429);
  });

  it('is named by the first of user, group, ip and total, and all are in the answer', async () => {
    const gateway = await gatewayWith({
      max_sessions_per_user: 1,
      groups: { trunk: { default: 1 } },
      max_sessions_per_ip_per_hour: 1,
      max_total_sessions: 1,
    });
    await admitAll(gateway, { user: 'alice', groups: ['trunk:west'], sourceIp: '192.0.2.1' });
    const refused = async (body: Record<string, unknown>) => {
      const { body: problem } = await gateway.admit(body);
      return [problem['code'], (problem['limits'] as { scope: string }[]).map(({ scope }) => scope).toSorted()];
    };

    const [bob, west, address] = [{ user: 'bob' }, { groups: ['trunk:west'] }, { sourceIp: '192.0.2.1' }];
    expect(await refused({ ...west, ...address })).toEqual(['user-limit-exceeded', ['group', 'ip', 'total', 'user']]);
    expect(await refused({ ...bob, ...west, ...address })).toEqual(['group-limit-exceeded', ['group', 'ip', 'total']]);
    expect(await refused({ ...bob, ...address })).toEqual(['ip-rate-exceeded', ['ip', 'total']]);
    expect(await refused(bob)).toEqual(['total-limit-exceeded', ['total']]);
  });

  it('of the group that others are within refuses for them, and is named', async () => {
    const gateway = await gatewayWith({
      groups: {
        trunk: { default: 9, parents: { west: 'carrier:acme', east: 'carrier:acme' } },
        carrier: { default: 9, parents: { acme: 'region:eu' } },
        region: { overrides: { eu: 2 } },
      },
    });
    await admitAll(gateway, { groups: ['trunk:west'] }, { groups: ['trunk:east'] });

    expect(await gateway.admit({ groups: ['trunk:west'] })).toMatchObject({
      status: 429,
      body: {
        code: 'group-limit-exceeded',
        limits: [{ scope: 'group', key: 'region:eu', max: 2, active: 2 }],
      },
    });
    await admitAll(gateway, { groups: ['trunk:north'] });
  });

  it('of a class holds for a session that names it, and the others have the default', async () => {
    const gateway = await gatewayWith({
      max_sessions_per_user: 1,
      classes: { gold: 2 },
      user_session_limits: { vip: 3 },
    });
    const gold = { userClass: 'gold' };
    await admitAll(gateway, { ...gold, user: 'alice' }, { ...gold, user: 'alice' }, { user: 'bob' });
    await admitAll(gateway, ...Array.from({ length: 3 }, () => ({ ...gold, user: 'vip' })));

    for (const [body, max] of [
      [{ ...gold, user: 'alice' }, 2],
      [{ user: 'bob' }, 1],
      [{ ...gold, user: 'vip' }, 3],
    ] as const) {
      expect(await gateway.admit(body)).toMatchObject({
        status: 429,
        body: { code: 'user-limit-exceeded', limits: [{ scope: 'user', key: body.user, max, active: max }] },
      });
    }
  });

  it('passes an emergency, which is in priority:emergency and counts everywhere', async () => {
    const gateway = await gatewayWith({
      max_total_sessions: 1,
      groups: { trunk: { default: 1 }, priority: { overrides: { emergency: 5 } } },
    });
    await admitAll(gateway, { groups: ['trunk:west'] });

    const { status, body } = await gateway.admit({ sessionId: '112', groups: ['trunk:west'], priority: 'emergency' });

    expect(status).toBe(201);
    expect(body).toMatchObject({ session: { priority: 'emergency', groups: ['trunk:west', 'priority:emergency'] } });
    expect(body['limits']).toEqual([
      { scope: 'user', key: 'alice', max: 0, active: 2 },
      { scope: 'group', key: 'trunk:west', max: 1, active: 2 },
      { scope: 'group', key: 'priority:emergency', max: 5, active: 1 },
      { scope: 'total', key: '*', max: 1, active: 2 },
    ]);
    expect(await books.zrange(KEYS.groupSessions('priority:emergency'), '0', '-1')).toEqual(['112']);
    expect(await gateway.metric('berth_overshoot_total{cause="emergency"}')).toBe(1);
    await gateway.post('/v1/sessions/112/end');
    expect(await books.zcard(KEYS.groupSessions('priority:emergency'))).toBe(0);
  });

  it('that only its reserve has left refuses others, and says how many places are reserved', async () => {
    const gateway = await gatewayWith({
      max_total_sessions: 3,
      groups: { trunk: { default: 2 } },
      reserves: {
        total: { group: 'priority:emergency', places: 1 },
        'kind:trunk': { group: 'customer:acme', places: 1 },
      },
    });
    await admitAll(gateway, { groups: ['trunk:west'] });
    const ofTrunk = await gateway.admit({ groups: ['trunk:west'] });
    await admitAll(gateway, { groups: ['trunk:west', 'customer:acme'] });
    const ofTotal = await gateway.admit();

    expect([ofTrunk.status, ofTrunk.body['limits'], ofTrunk.body['detail']]).toEqual([
      429,
      [{ scope: 'group', key: 'trunk:west', max: 2, active: 1, reserved: 1 }],
      expect.stringContaining('1 are reserved'),
    ]);
    expect([ofTotal.status, ofTotal.body['limits']]).toEqual([
      429,
      [{ scope: 'total', key: '*', max: 3, active: 2, reserved: 1 }],
    ]);
    await admitAll(gateway, { priority: 'emergency' });
    expect((await gateway.admit()).body['limits']).toEqual([{ scope: 'total', key: '*', max: 3, active: 3 }]);
  });

  it('that is only observed refuses nobody: 201, marked, and counted', async () => {
    const gateway = await gatewayWith({
      max_total_sessions: 1,
      groups: { trunk: { default: 1 } },
      observe: ['total', 'kind:trunk'],
    });
    await admitAll(gateway, { groups: ['trunk:west'] });

    const { status, body } = await gateway.admit({ groups: ['trunk:west'] });
    await admitAll(gateway, { groups: ['trunk:east'] });

    expect([status, body['limits']]).toEqual([
      201,
      [
        { scope: 'user', key: 'alice', max: 0, active: 2 },
        { scope: 'group', key: 'trunk:west', max: 1, active: 2, observed: true },
        { scope: 'total', key: '*', max: 1, active: 2, observed: true },
      ],
    ]);
    expect(await gateway.metric('berth_limits_observed_total{scope="total"}')).toBe(2);
    expect(await gateway.metric('berth_limits_observed_total{scope="group"}')).toBe(1);
    expect(await gateway.metric('session_limit_rejections_total')).toBe(0);
    expect(await gateway.metric('berth_overshoot_total{cause="lowered_limit"}')).toBe(0);
  });
});

describe('a rate', () => {
  it('by address refuses with 429 and says when to try again; refusals cost nothing', async () => {
    const gateway = await gatewayWith({ max_sessions_per_ip_per_hour: 2 });
    const here = { sourceIp: '192.0.2.1' };
    await admitAll(gateway, here, { ...here, user: 'bob' });

    const first = await gateway.admit({ ...here, user: 'carol' });
    const second = await gateway.admit({ ...here, user: 'carol' });

    expect(first).toMatchObject({
      status: 429,
      body: {
        ...refusal('ip-rate-exceeded'),
        limits: [{ scope: 'ip', key: '192.0.2.1', max: 2, active: 2 }],
        sip: { code: 486, reason: 'Busy Here' },
      },
    });
    expect(waitOf(first)).toBeGreaterThan(0);
    expect(waitOf(first)).toBeLessThanOrEqual(3_600_000);
    expect(first.headers['retry-after']).toBe(String(Math.ceil(waitOf(first) / 1_000)));
    expect(waitOf(second)).toBeLessThanOrEqual(waitOf(first));
    await admitAll(gateway, { sourceIp: '192.0.2.2' }, { sourceIp: undefined });
  });

  it('by address is shared by the callers of one /64, and by both spellings of an IPv4 address', async () => {
    const gateway = await gatewayWith({ max_sessions_per_ip_per_hour: 2 });
    const from = (...addresses: string[]) => addresses.map((sourceIp) => ({ sourceIp }));
    await admitAll(gateway, ...from('2001:db8:0:1::1', '2001:DB8::1:ffff:0:0:2', '2001:db8:0:2::1'));
    await admitAll(gateway, ...from('192.0.2.1', '::ffff:192.0.2.1'));

    for (const [sourceIp, key] of [
      ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
      ['192.0.2.1', '192.0.2.1'],
    ] as const) {
      expect(await gateway.admit({ sourceIp })).toMatchObject({
        status: 429,
        body: { limits: [{ scope: 'ip', key, max: 2, active: 2 }] },
      });
    }
    await admitAll(gateway, ...from('2001:db8:0:2::2'));
  });

  it('of each user refuses as the limit of a user does, and says when to try again', async () => {
    const gateway = await gatewayWith({ user_rate: { per_second: 0.01, burst: 2 } });
    await admitAll(gateway, { sessionId: 'a' }, {});
    await gateway.post('/v1/sessions/a/end');

    const refused = await gateway.admit();

    expect(refused).toMatchObject({
      status: 429,
      body: {
        ...refusal('user-limit-exceeded'),
        detail: expect.stringMatching(/alice calls too often/),
        limits: [{ scope: 'user', key: 'alice', max: 2, active: 2 }],
        sip: { code: 486 },
      },
    });
    expect(waitOf(refused)).toBeGreaterThan(0);
    expect(waitOf(refused)).toBeLessThanOrEqual(100_000);
    expect(refused.headers['retry-after']).toBe(String(Math.ceil(waitOf(refused) / 1_000)));
    await admitAll(gateway, { user: 'bob' }, { priority: 'emergency' });
  });

  it('of a group refuses as the limit of a group does; Retry-After is the longest wait', async () => {
    const gateway = await gatewayWith({
      user_rate: { per_second: 0.1, burst: 1 },
      groups: { trunk: { rate: { per_second: 0.01, burst: 1 } } },
    });
    await admitAll(gateway, { user: 'bob', groups: ['trunk:west'] }, { user: 'alice' });

    const { headers, body } = await gateway.admit({ user: 'alice', groups: ['trunk:west'] });
    const waits = new Map(
      (body['limits'] as { scope: string; retryAfterMs: number }[]).map((limit) => [limit.scope, limit.retryAfterMs]),
    );

    const other = await gateway.admit({ user: 'carol', groups: ['trunk:west'] });

    expect(headers['retry-after']).toBe(String(Math.ceil(waits.get('group')! / 1_000)));
    expect(other).toMatchObject({ status: 429, body: refusal('group-limit-exceeded') });
  });
});

describe('groups that a session names', () => {
  it('are tracked and unlimited where nobody configured the kind, with a warning; and none where somebody did', async () => {
    const gateway = await gatewayWith({
      groups: { trunk: { default: 0 }, carrier: { rate: { per_second: 100, burst: 100 } } },
    });

    const { status, body } = await gateway.admit({ groups: ['trunk:west', 'room:42', 'room:43', 'carrier:acme'] });

    expect([status, body['warnings']]).toEqual([201, [expect.stringMatching(NOBODY_CONFIGURED)]]);
    expect(body['warnings']).toEqual([expect.stringMatching(/\broom\b/)]);
    expect(await books.zcard(KEYS.groupSessions('room:42'))).toBe(1);
    expect((await gateway.admit({ groups: ['trunk:west', 'carrier:acme'] })).body).not.toHaveProperty('warnings');
  });

  it('have no warning where the kind was configured through the API', async () => {
    const gateway = await gatewayWith({});
    const limits = new LimitsStore(books, 10_000);
    await limits.change(TENANT, (api) => ({ ...api, groups: { trunk: { default: 5 } } }));

    const { status, body } = await gateway.admit({ groups: ['trunk:west'] });

    expect(status).toBe(201);
    expect(body['limits']).toContainEqual({ scope: 'group', key: 'trunk:west', max: 5, active: 1 });
    expect(body).not.toHaveProperty('warnings');
  });

  it('are at most eight', async () => {
    const gateway = await gatewayWith({ groups: { trunk: { default: 1 } } });
    const groups = Array.from({ length: 9 }, (_, n) => `trunk:${n}`);

    expect(await gateway.admit({ groups })).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', errors: [{ path: 'groups', message: expect.any(String) }] },
    });
    await admitAll(gateway, { groups: groups.slice(1) });
  });
});

describe('POST /v1/sessions:check', () => {
  it('answers for a full group as the admission would, and changes nothing', async () => {
    const gateway = await gatewayWith({
      groups: { trunk: { default: 1, parents: { west: 'carrier:acme' } }, carrier: { default: 1 } },
      max_sessions_per_ip_per_hour: 2,
    });
    const body = { sessionId: 'x', user: 'bob', groups: ['trunk:west'], sourceIp: '192.0.2.1' };
    await admitAll(gateway, { groups: ['trunk:west'], sourceIp: '192.0.2.1' });
    const state = async () => [
      await live(),
      await books.zcard(KEYS.groupSessions('carrier:acme')),
      await books.zcard(KEYS.ipRate('192.0.2.1')),
      await books.xlen(KEYS.events),
      await books.xlen(KEYS.rejections),
      await books.hgetall(KEYS.refusals),
      await gateway.metric('session_limit_rejections_total'),
    ];
    const before = await state();

    const checks = [1, 2, 3].map(async () => await gateway.post('/v1/sessions:check', body));
    const checked = await Promise.all(checks);
    const roomy = await gateway.post('/v1/sessions:check', { ...body, groups: [] });

    expect(roomy).toMatchObject({ status: 200, body: { decision: 'admitted' } });
    expect(await state()).toEqual(before);
    expect(linesOf(gateway, EXCEEDED)).toEqual([]);
    const refused = await gateway.admit(body);
    expect(refused).toMatchObject({ status: 429, body: refusal('group-limit-exceeded') });
    for (const answer of checked) expect([answer.status, answer.body]).toEqual([200, refused.body]);
  });
});

describe('the log', () => {
  it('says of a full group its scope and key', async () => {
    const gateway = await gatewayWith({ groups: { trunk: { default: 1 } } });
    await admitAll(gateway, { groups: ['trunk:west'] });
    await gateway.admit({ sessionId: 'second', user: 'bob', groups: ['trunk:west'] });

    expect(linesOf(gateway, EXCEEDED)).toEqual([
      expect.objectContaining({
        username: 'bob',
        current_sessions: 1,
        max_sessions: 1,
        action: 'reject',
        call_id: 'second',
        scope: 'group',
        key: 'trunk:west',
      }),
    ]);
  });

  it.each([
    ['sessions', { max_sessions_per_user: 1 }],
    ['calls per second', { user_rate: { per_second: 0.01, burst: 1 } }],
  ])('has no user name in it where names are hashed, also where a user has too many %s', async (_of, limits) => {
    const gateway = await gatewayWith(limits, { sections: { logging: { level: 'trace', hash_users: true } } });
    await admitAll(gateway, { user: 'zebulon' });
    expect((await gateway.admit({ user: 'zebulon' })).status).toBe(429);

    const [line] = linesOf(gateway, EXCEEDED);
    expect(line).toMatchObject({ scope: 'user', username: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(JSON.stringify(gateway.log)).not.toContain('zebulon');
  });
});

describe('two gateways', () => {
  const REPLACED = /replaced different ones/;
  const publishedBy = (port: number) => ({ env: { BERTH_GATEWAY_PORT: String(port) } });
  const replacedIn = ({ log }: Gateway) => log.filter(({ message }) => REPLACED.test(String(message)));

  it('with different files have one policy in force, that of the later, which names both', async () => {
    const first = await gatewayWith({ max_total_sessions: 1 }, publishedBy(18_081));
    await admitAll(first, {});
    expect((await first.admit()).status).toBe(429);

    const second = await gatewayWith({ max_total_sessions: 2 }, publishedBy(18_082));
    await eventually(() => expect(replacedIn(second)).toHaveLength(1));

    expect(replacedIn(second)).toEqual([
      expect.objectContaining({
        level: 'warn',
        tenant: 'default',
        publisher: expect.stringMatching(/^admission-gateway .+:18082$/),
        replaced: expect.stringMatching(/^admission-gateway .+:18081$/),
      }),
    ]);
    expect(replacedIn(first)).toEqual([]);
    await admitAll(first, {});
    const answers = [await first.admit(), await second.admit()];
    for (const { status, body } of answers) {
      expect([status, body['limits']]).toEqual([429, [{ scope: 'total', key: '*', max: 2, active: 2 }]]);
    }
    expect(answers[0]?.body['policyVersion']).toBe(answers[1]?.body['policyVersion']);
  });

  it('with the same file say nothing', async () => {
    const [first, second] = [
      await gatewayWith({ max_total_sessions: 1 }, publishedBy(18_081)),
      await gatewayWith({ max_total_sessions: 1 }, publishedBy(18_082)),
    ];
    await admitAll(first, {});
    expect((await second.admit()).status).toBe(429);
    expect([...replacedIn(first), ...replacedIn(second)]).toEqual([]);
  });
});
