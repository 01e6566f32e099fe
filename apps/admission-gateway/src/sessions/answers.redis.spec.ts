import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { type RedisServer } from '#testing';

import { startGateway, type Gateway, onOneGateway } from '../gateway.fixture.js';

const CONFIG = `
limits: { max_sessions_per_user: 2, user_session_limits: { vip: 3, Free: 0 } }
sip: { user: { code: 603, reason: Declined }, ended: { code: 500, reason: Over } }
sessions: { sip: { session_timeout: 3600 }, ssh: { idle_timeout: 600 } }
tenants: { oldest: { limits: { session_limit_action: terminate_oldest } } }
`;
const NOBODY = { code: 'session-unknown', status: 404 };
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let redis: RedisServer;
let books: Redis;
let gateway: Gateway;

onOneGateway({ configYaml: CONFIG }, (suite) => {
  ({ books, gateway, redis } = suite);
});

beforeEach(async () => {
  await books.flushall(); // the limits too: the gateway publishes them again
  gateway.log.length = 0;
});

const placesOf = async (user: string, tenant = 'default') =>
  await books.zcard(`berth:{${tenant}/0}:user_sessions:${user}`);

describe('POST /v1/sessions', () => {
  it('admits with 201 and the whole session', async () => {
    const said = {
      attempt: 7,
      from: '"Alice" <sip:alice@example.com>;tag=19',
      to: 'sip:bob@example.com',
      node: 'b2bua-1',
      epoch: 1763700000000,
      sourceIp: '192.0.2.10',
      sourcePort: 5060,
      destination: '198.51.100.7:5060',
      direction: 'inbound',
      correlationId: 'c-1',
      metadata: { userAgent: 'phone', nested: { list: [1, 2.5, null, 'ü'] } },
    };
    const sessionId = 'a84b4c76e66710@pc33.atlanta.example';
    const { status, body } = await gateway.admit({ ...said, sessionId, user: undefined });

    expect(status).toBe(201);
    expect(body).toEqual({
      decision: 'admitted',
      session: {
        ...said,
        id: sessionId,
        tenant: 'default',
        user: 'alice',
        state: 'active',
        protocol: 'sip',
        groups: [],
        priority: 'normal',
        authenticated: true,
        startedAt: expect.stringMatching(TIME),
        lastActivityAt: expect.stringMatching(TIME),
        expiresAt: expect.stringMatching(TIME),
        endsBy: expect.stringMatching(TIME),
        bytesSent: 0,
        bytesReceived: 0,
        packetsSent: 0,
        packetsReceived: 0,
        channels: [],
      },
      limits: [{ scope: 'user', key: 'alice', max: 2, active: 1 }],
      terminated: [],
      policyVersion: expect.any(Number),
    });
  });

  it('answers a retry with 200 and the session as it is now, whatever else it says', async () => {
    await gateway.admit({ sessionId: 'c', user: 'bob', to: 'sip:x@y' });
    await gateway.post('/v1/sessions/c/activity', { bytesSent: 5 });

    const retry = await gateway.admit({ sessionId: 'c', user: 'BOB', to: 'sip:z@y' });

    expect(retry.status).toBe(200);
    expect(retry.body).toMatchObject({
      decision: 'admitted',
      terminated: [],
      session: { id: 'c', to: 'sip:x@y', bytesSent: 5 },
      limits: [{ scope: 'user', key: 'bob', max: 2, active: 1 }],
    });
  });

  it('gives duplicates in parallel one place and one 201', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.admit({ sessionId: 'dup' })));

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(49);
    expect(await placesOf('alice')).toBe(1);
  });

  it('refuses with 429, every full limit, and the SIP answer of the configuration', async () => {
    await gateway.admit();
    await gateway.admit();

    const { status, headers, body } = await gateway.admit({ sessionId: 'third' });

    expect(status).toBe(429);
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(body).toEqual({
      type: 'urn:berth:problem:user-limit-exceeded',
      code: 'user-limit-exceeded',
      policyVersion: 1,
      title: expect.any(String),
      detail: 'No place left: user alice has 2 of 2',
      status: 429,
      decision: 'rejected',
      limits: [{ scope: 'user', key: 'alice', max: 2, active: 2 }],
      sip: { code: 603, reason: 'Declined' },
    });
    expect(gateway.log).toContainEqual(
      expect.objectContaining({
        message: 'Session limit exceeded',
        username: 'alice',
        current_sessions: 2,
        max_sessions: 2,
        action: 'reject',
        call_id: 'third',
      }),
    );
  });

  it('judges a refused id anew once there is room', async () => {
    await gateway.admit({ sessionId: 'a' });
    await gateway.admit({ sessionId: 'b' });
    expect((await gateway.admit({ sessionId: 'c' })).status).toBe(429);
    await gateway.post('/v1/sessions/a/end');
    expect((await gateway.admit({ sessionId: 'c' })).status).toBe(201);
  });

  it('says 486 Busy Here where nothing else is configured', async () => {
    const plain = await startGateway(redis);
    for (let i = 0; i < 5; i += 1) expect((await plain.admit()).status).toBe(201);
    expect((await plain.admit()).body['sip']).toEqual({ code: 486, reason: 'Busy Here' });
  });

  it('holds to the limit of each user, and to none where it is zero', async () => {
    const admitted = async (user: string) => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => gateway.admit({ user })));
      return answers.filter(({ status }) => status === 201).length;
    };
    expect(await admitted('bob')).toBe(2);
    expect(await admitted('VIP')).toBe(3);
    expect(await admitted('free')).toBe(6);
  });

  it('does not limit anonymous callers as one person', async () => {
    const anonymous = { user: undefined, from: '"Anonymous" <sip:anonymous@anonymous.invalid>' };
    for (let i = 0; i < 5; i += 1) {
      const { status, body } = await gateway.admit(anonymous);
      expect([status, body['limits']]).toEqual([201, [{ scope: 'user', key: 'anonymous', max: 0, active: i + 1 }]]);
    }
  });

  it('ends the oldest where the tenant says so, and tells which', async () => {
    const tenant = { 'berth-tenant': 'oldest' };
    for (const sessionId of ['first', 'second']) {
      await gateway.post('/v1/sessions', { sessionId, user: 'alice', node: 'n1' }, tenant);
    }

    const { status, body } = await gateway.post('/v1/sessions', { sessionId: 'third', user: 'alice' }, tenant);

    expect(status).toBe(201);
    expect(body).toMatchObject({
      terminated: [{ id: 'first', node: 'n1', startedAt: expect.stringMatching(TIME) }],
      limits: [{ scope: 'user', key: 'alice', max: 2, active: 2 }],
    });
    expect(gateway.log).toContainEqual(
      expect.objectContaining({
        message: 'Terminated oldest session for new call',
        username: 'alice',
        terminated_session: 'first',
        new_call_id: 'third',
      }),
    );
    expect((await gateway.get('/v1/sessions/first', tenant)).body).toMatchObject({ endReason: 'evicted' });
    expect(await placesOf('alice', 'oldest')).toBe(2);
    expect(await placesOf('alice')).toBe(0);
  });

  it('refuses an id that has ended with 409, and takes a larger attempt as a new session', async () => {
    await gateway.admit({ sessionId: 'c', attempt: 1 });
    await gateway.post('/v1/sessions/c/end');

    const again = await gateway.admit({ sessionId: 'c', attempt: 1 });
    const next = await gateway.admit({ sessionId: 'c', attempt: 2 });

    expect([again.status, again.body]).toEqual([
      409,
      expect.objectContaining({ code: 'session-ended', status: 409, sip: { code: 500, reason: 'Over' } }),
    ]);
    expect([next.status, next.body['session']]).toEqual([201, expect.objectContaining({ attempt: 2 })]);
    expect(await placesOf('alice')).toBe(1);
  });

  it('refuses an admission whose end came first', async () => {
    expect((await gateway.post('/v1/sessions/late/end')).status).toBe(404);
    expect((await gateway.admit({ sessionId: 'late' })).body).toMatchObject({ code: 'session-ended', status: 409 });
    expect(await placesOf('alice')).toBe(0);
  });

  it('lets a larger attempt take the place of a live one, and cost one place', async () => {
    await gateway.admit({ sessionId: 'c', attempt: 1 });
    expect((await gateway.admit({ sessionId: 'c', attempt: 2 })).status).toBe(201);
    expect((await gateway.admit({ sessionId: 'c', attempt: 1 })).body).toMatchObject({ code: 'session-ended' });
    expect(await placesOf('alice')).toBe(1);
  });

  it("refuses another user's id with 409", async () => {
    await gateway.admit({ sessionId: 'c', user: 'alice' });
    const { status, body } = await gateway.admit({ sessionId: 'c', user: 'bob' });
    expect([status, body]).toEqual([
      409,
      expect.objectContaining({ code: 'session-id-conflict', sip: { code: 500, reason: 'Over' } }),
    ]);
  });

  it('makes an id where none is given', async () => {
    const { status, body } = await gateway.admit({ sessionId: undefined });
    const { id } = body['session'] as { id: string };
    expect(status).toBe(201);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect((await gateway.get(`/v1/sessions/${id}`)).status).toBe(200);
  });

  it('names in warnings what it ignored', async () => {
    const { status, body } = await gateway.admit({
      colour: 'red',
      groups: ['trunk:west', 'trunk:west'],
      userClass: 'gold',
    });
    expect([status, body['warnings']]).toEqual([
      201,
      [expect.stringContaining('colour'), expect.stringContaining('trunk'), expect.stringContaining('gold')],
    ]);
    expect(body['session']).toMatchObject({ groups: ['trunk:west'] });
  });

  it('lets ttlSeconds only shorten the longest duration', async () => {
    const secondsOf = async (body: Record<string, unknown>) => {
      const { session } = (await gateway.admit(body)).body as { session: Record<string, string | null> };
      const { startedAt, endsBy } = session;
      return endsBy === null ? null : (Date.parse(endsBy ?? '') - Date.parse(startedAt ?? '')) / 1_000;
    };
    expect(await secondsOf({ user: 'a' })).toBe(3_600);
    expect(await secondsOf({ user: 'b', ttlSeconds: 60 })).toBe(60);
    expect(await secondsOf({ user: 'c', ttlSeconds: 999_999 })).toBe(3_600);
    expect(await secondsOf({ user: 'd', protocol: 'ssh' })).toBeNull();
    expect(await secondsOf({ user: 'e', protocol: 'ssh', ttlSeconds: 999_999 })).toBe(999_999);
    expect(await secondsOf({ user: 'f', protocol: 'mqtt' })).toBe(86_400);
  });

  it('admits an emergency over the limit where there are no keys', async () => {
    await gateway.admit();
    await gateway.admit();
    const { status, body } = await gateway.admit({ priority: 'emergency' });
    expect([status, body['limits']]).toEqual([201, [{ scope: 'user', key: 'alice', max: 2, active: 3 }]]);
  });
});

describe('POST /v1/sessions:check', () => {
  it('answers what an admission would, and changes nothing', async () => {
    const check = (body: object) => gateway.post('/v1/sessions:check', { user: 'alice', ...body });
    expect((await check({ sessionId: 'x' })).body).toMatchObject({
      decision: 'admitted',
      session: { id: 'x' },
      limits: [{ scope: 'user', key: 'alice', max: 2, active: 1 }],
    });
    expect(await placesOf('alice')).toBe(0);

    await gateway.admit({ sessionId: 'a' });
    await gateway.admit({ sessionId: 'b' });
    expect(await check({ sessionId: 'a' })).toMatchObject({
      status: 200,
      body: { decision: 'admitted', session: { id: 'a' } },
    });
    expect(await check({ sessionId: 'x' })).toMatchObject({
      status: 200,
      body: { decision: 'rejected', code: 'user-limit-exceeded', status: 429, sip: { code: 603 } },
    });
    expect(await check({ sessionId: 'a', user: 'bob' })).toMatchObject({ body: { code: 'session-id-conflict' } });
    await gateway.post('/v1/sessions/a/end');
    expect(await check({ sessionId: 'a' })).toMatchObject({ body: { code: 'session-ended', status: 409 } });
    expect(gateway.log.filter(({ message }) => message === 'Session limit exceeded')).toEqual([]);
  });

  it('refuses bad input as an admission does', async () => {
    expect(await gateway.post('/v1/sessions:check', {})).toMatchObject({
      status: 400,
      body: { code: 'invalid-request' },
    });
  });
});

describe('one session', () => {
  it('is confirmed with 200, and again', async () => {
    const reserved = await gateway.admit({ sessionId: 'c', state: 'reserved' });
    expect(reserved.body['session']).toMatchObject({ state: 'reserved' });
    for (let i = 0; i < 2; i += 1) {
      expect(await gateway.post('/v1/sessions/c/confirm')).toMatchObject({
        status: 200,
        body: { id: 'c', state: 'active' },
      });
    }
  });

  it('reports activity; totals are merged by maximum', async () => {
    await gateway.admit({ sessionId: 'c', protocol: 'ssh' });
    const channels = [{ id: '1', type: 'direct-tcpip', host: 'db', port: 5432 }];
    const first = await gateway.post('/v1/sessions/c/activity', { bytesSent: 500, packetsReceived: 3, channels });
    const late = await gateway.post('/v1/sessions/c/activity', { bytesSent: 100, bytesReceived: 7 });

    expect([first.status, first.body]).toEqual([200, { expiresAt: expect.stringMatching(TIME) }]);
    expect(late.status).toBe(200);
    expect((await gateway.get('/v1/sessions/c')).body).toMatchObject({
      bytesSent: 500,
      bytesReceived: 7,
      packetsReceived: 3,
      channels,
    });
  });

  it('ends with 204, and 204 again, and stays readable with its reason', async () => {
    await gateway.admit({ sessionId: 'c' });
    const end = () => gateway.post('/v1/sessions/c/end', { reason: 'caller hung up' });
    expect([(await end()).status, (await end()).status]).toEqual([204, 204]);

    const { status, body } = await gateway.get('/v1/sessions/c');
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({
        id: 'c',
        user: 'alice',
        state: 'ended',
        endReason: 'completed',
        endedAt: expect.stringMatching(TIME),
      }),
    ]);
    expect(await placesOf('alice')).toBe(0);
    expect(gateway.log).toContainEqual(expect.objectContaining({ message: 'Session removed', session_id: 'c' }));
  });

  it('ends by DELETE too, of one attempt and never of a later one', async () => {
    await gateway.admit({ sessionId: 'c', attempt: 2 });
    expect((await gateway.delete('/v1/sessions/c?attempt=1')).status).toBe(204);
    expect(await placesOf('alice')).toBe(1);
    expect((await gateway.delete('/v1/sessions/c?attempt=2&reason=bye')).status).toBe(204);
    expect(await placesOf('alice')).toBe(0);
  });

  it('answers 410 once it has ended: hang up', async () => {
    await gateway.admit({ sessionId: 'c' });
    await gateway.post('/v1/sessions/c/end');
    for (const verb of ['confirm', 'activity']) {
      expect(await gateway.post(`/v1/sessions/c/${verb}`)).toMatchObject({
        status: 410,
        body: { code: 'session-ended', status: 410 },
      });
    }
    expect(await placesOf('alice')).toBe(0);
  });

  it('answers 404 where it is not known', async () => {
    expect(await gateway.post('/v1/sessions/x/confirm')).toMatchObject({ status: 404, body: NOBODY });
    expect(await gateway.post('/v1/sessions/x/activity')).toMatchObject({ status: 404, body: NOBODY });
    expect(await gateway.get('/v1/sessions/x')).toMatchObject({ status: 404, body: NOBODY });
    expect(await gateway.delete('/v1/sessions/x')).toMatchObject({ status: 404, body: NOBODY });
    expect(await gateway.get('/v1/sessions/x')).toMatchObject({ status: 200, body: { state: 'ended', user: null } });
  });

  it('is reached by `-` with its id in the body', async () => {
    await gateway.admit({ sessionId: 'a/b?c', state: 'reserved' });
    expect((await gateway.post('/v1/sessions/-/confirm', { sessionId: 'a/b?c' })).status).toBe(200);
    expect((await gateway.post('/v1/sessions/-/activity', { sessionId: 'a/b?c' })).status).toBe(200);
    expect((await gateway.post('/v1/sessions/-/end', { sessionId: 'a/b?c' })).status).toBe(204);
    expect(await placesOf('alice')).toBe(0);
    expect(await gateway.post('/v1/sessions/-/end')).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'sessionId', message: expect.any(String) }] },
    });
  });

  it('takes a hint to its user in any spelling', async () => {
    await gateway.admit({ sessionId: 'c' });
    expect((await gateway.get('/v1/sessions/c?user=sip:ALICE@example.com')).status).toBe(200);
    expect(await gateway.get('/v1/sessions/c?user=%00')).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'user' }] },
    });
  });
});

describe('metrics', () => {
  it('counts what was decided and ended', async () => {
    const own = await startGateway(redis, { configYaml: 'limits: { max_sessions_per_user: 1 }' });
    await own.admit({ sessionId: 'm1', user: 'm' });
    await own.admit({ sessionId: 'm1', user: 'm' });
    await own.admit({ sessionId: 'm2', user: 'm' });
    await own.post('/v1/sessions/m1/end');
    await own.admit({ sessionId: 'm1', user: 'm' });

    expect(await own.metric('berth_admissions_total{decision="admitted",reason="new"}')).toBe(1);
    expect(await own.metric('berth_admissions_total{decision="admitted",reason="repeated"}')).toBe(1);
    expect(await own.metric('berth_admissions_total{decision="rejected",reason="user-limit-exceeded"}')).toBe(1);
    expect(await own.metric('berth_admissions_total{decision="ended",reason="session-ended"}')).toBe(1);
    expect(await own.metric('session_limit_rejections_total')).toBe(1);
    expect(await own.metric('berth_sessions_ended_total{reason="completed"}')).toBe(1);
    expect(await own.metric('berth_admission_duration_seconds_count')).toBe(4);
  });
});
