import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';

import { shardKeys, tenantKeys } from '#session-core';
import { describeWith, eventually, startRedis, type RedisServer } from '#testing';

import { startGateway, stopGateways } from './gateway.fixture.js';

const { registration } = tenantKeys('default');
const { pulse, deadlines } = shardKeys({ name: 'default', shards: 1 }, 0);

describeWith(['redis-server'], 'a gateway under which the books of a tenant change', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  beforeEach(async () => {
    await redis.client().flushall();
  });
  afterEach(stopGateways);
  afterAll(async () => {
    await redis.stop();
  });

  it.each([
    ['another format', { format: '2' }, { format: '1' }, 'have format 2, this release knows format 1'],
    [
      'other identity rules',
      { case: 'keep' },
      { case: 'fold' },
      'registered with the identity rules case: keep, domain: drop',
    ],
  ])(
    'to %s: turns unready and stops writing, and goes on when they are its own again',
    async (_, changed, back, detail) => {
      const gateway = await startGateway(redis);
      const client = redis.client();
      expect(await gateway.admit()).toMatchObject({ status: 201 });
      await client.hset(registration, changed);
      await eventually(async () => (await gateway.get('/health/ready')).status === 503, { timeoutMs: 20_000 });
      expect((await gateway.get('/health/ready')).body).toMatchObject({
        checks: { tenants: { status: 'failed', message: expect.stringContaining(detail), tenants: ['default'] } },
      });
      const felt = await client.hget(pulse, 'at');
      expect(await gateway.admit()).toMatchObject({
        status: 503,
        body: { code: 'store-unavailable', detail: expect.stringContaining(detail) },
      });
      expect(await gateway.post('/v1/nodes/b2bua-1/heartbeat', { epoch: 1 })).toMatchObject({ status: 503 });
      expect(await client.zcard(deadlines)).toBe(1);
      expect(gateway.log.filter(({ message }) => message === 'Tenant closed: nothing is done for it')).toHaveLength(1);
      await client.hset(registration, back);
      await eventually(async () => (await gateway.admit()).status === 201, { timeoutMs: 20_000 });
      expect(Number(felt)).toBeGreaterThan(0);
      expect(gateway.log.map(({ message }) => message)).toContain('Tenant open again');
    },
  );
});
