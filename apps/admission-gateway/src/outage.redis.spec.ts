import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { eventually, startRedis, type RedisServer } from '#testing';

import { startGateway, stopGateways, type Gateway } from './gateway.fixture.js';

const CONFIG = `
store: { decision_deadline_ms: 150 }
sip: { unavailable: { code: 500, reason: Books away } }
limits: { max_sessions_per_user: 2 }
`;
/** Generous for a busy machine; without a deadline it would be seconds or for ever. */
const WITHIN_MS = 2_000;

let redis: RedisServer;

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  redis.resume();
  await stopGateways();
  await redis.stop();
});

const UNAVAILABLE = {
  status: 503,
  headers: { 'retry-after': '1', 'content-type': 'application/problem+json; charset=utf-8' },
  body: {
    type: 'urn:berth:problem:store-unavailable',
    code: 'store-unavailable',
    status: 503,
    sip: { code: 500, reason: 'Books away' },
  },
};

async function everyCallIsUnavailable(gateway: Gateway): Promise<void> {
  const startedAt = Date.now();
  const answers = await Promise.all([
    gateway.admit({ sessionId: 'call' }),
    gateway.post('/v1/sessions:check', { user: 'alice' }),
    gateway.post('/v1/sessions/call/confirm'),
    gateway.post('/v1/sessions/call/activity'),
    gateway.post('/v1/sessions/call/end'),
    gateway.delete('/v1/sessions/call'),
    gateway.get('/v1/sessions/call'),
  ]);
  expect(Date.now() - startedAt).toBeLessThan(WITHIN_MS);
  for (const answer of answers) expect(answer).toMatchObject(UNAVAILABLE);
}

const admitsAgain = (gateway: Gateway) =>
  eventually(async () => (await gateway.admit({ sessionId: 'back' })).status < 300, {
    what: 'admissions to work again',
    timeoutMs: 10_000,
  });
const isReady = async (gateway: Gateway) => (await gateway.get('/health/ready')).status === 200;

describe('while Redis is away', () => {
  it('answers 503 within the deadline when it hangs, and recovers without a restart', async () => {
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    await gateway.admit({ sessionId: 'before' });
    redis.pause();
    await everyCallIsUnavailable(gateway);
    expect((await gateway.get('/health/live')).status).toBe(200);
    // After five seconds: no caller gains by fleeing from a failover.
    await eventually(async () => !(await isReady(gateway)), { timeoutMs: 20_000 });

    redis.resume();

    await admitsAgain(gateway);
    expect((await gateway.get('/v1/sessions/before')).body).toMatchObject({ id: 'before', state: 'active' });
    expect(
      await gateway.metric('berth_admissions_total{decision="failed",reason="store-unavailable"}'),
    ).toBeGreaterThan(0);
  });

  it('answers 503 when it is gone, and publishes the limits to an empty one that comes back', async () => {
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    await gateway.admit({ sessionId: 'before' });
    await redis.kill();
    await everyCallIsUnavailable(gateway);

    await redis.restart();

    await admitsAgain(gateway);
    expect((await gateway.admit()).status).toBe(201);
    expect((await gateway.admit()).body).toMatchObject({ limits: [{ key: 'alice', max: 2, active: 2 }] });
  });

  it('starts, says that it is not ready, and publishes its limits once Redis is there', async () => {
    await redis.kill();
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    await everyCallIsUnavailable(gateway);
    expect((await gateway.get('/health/ready')).body).toMatchObject({ checks: { limits: { status: 'failed' } } });

    await redis.restart();

    await eventually(async () => await isReady(gateway), { what: 'the gateway to be ready' });
    const document = await redis.client().hget('berth:{default}:limits', 'document');
    expect(JSON.parse(document ?? '{}')).toMatchObject({ file: { maxSessionsPerUser: 2 } });
  });

  it('refuses admissions and still ends sessions when the memory is full', async () => {
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    await gateway.admit({ sessionId: 'call' });
    const client = redis.client();
    await client.config('SET', 'maxmemory', '1mb');

    expect(await gateway.admit({ sessionId: 'more' })).toMatchObject(UNAVAILABLE);
    expect((await gateway.post('/v1/sessions/call/end')).status).toBe(204);
    expect(await client.zcard('berth:{default/0}:deadlines')).toBe(0);

    await client.config('SET', 'maxmemory', '0');
    await admitsAgain(gateway);
  });

  it('notices neither SCRIPT FLUSH nor a lost connection', async () => {
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    const client = redis.client();
    await gateway.admit({ sessionId: 'a' });
    await client.script('FLUSH');
    expect((await gateway.post('/v1/sessions/a/activity')).status).toBe(200);
    await client.script('FLUSH');
    expect((await gateway.admit({ sessionId: 'b' })).status).toBe(201);

    await gateway.post('/v1/sessions/a/end');

    await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await admitsAgain(gateway);
    expect(await gateway.admit({ sessionId: 'b' })).toMatchObject({ status: 200 });
  });
});

describe('two gateways with different files', () => {
  it('are named in a warning', async () => {
    const one = await startGateway(redis, { configYaml: CONFIG, env: { BERTH_GATEWAY_PORT: '11111' } });
    const two = await startGateway(redis, {
      configYaml: 'limits: { max_sessions_per_user: 3 }',
      env: { BERTH_GATEWAY_PORT: '11112' },
    });
    const same = await startGateway(redis, {
      configYaml: 'limits: { max_sessions_per_user: 3 }',
      env: { BERTH_GATEWAY_PORT: '11113' },
    });

    const warnings = ({ log }: Gateway) => log.filter(({ level }) => level === 'warn');
    expect(warnings(one)).toEqual([]);
    expect(warnings(two)).toEqual([
      expect.objectContaining({ tenant: 'default', replaced: expect.stringContaining(':11111') }),
    ]);
    expect(warnings(same)).toEqual([]);
  });
});
