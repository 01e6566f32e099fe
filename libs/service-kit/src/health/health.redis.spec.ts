import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';

import { eventually, startRedis, type RedisServer } from '#testing';

import { loadConfig } from '../config/load-config.js';
import { connectRedis } from '../redis/connect-redis.js';
import { closeRedis, whenReady } from '../redis/redis-lifecycle.js';
import { ReadinessChecks, type Readiness } from './readiness.js';
import { redisChecks } from './redis-checks.js';

let server: RedisServer;
let redis: Redis | Cluster;

beforeAll(async () => {
  server = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'noeviction'] });
  const config = loadConfig({ env: { BERTH_REDIS_URL: server.url }, cwd: '/' }).redis;
  redis = connectRedis(config, { purpose: 'decisions', onError: () => {} });
  await whenReady(redis, 5_000);
});

afterEach(async () => {
  await server.client().config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'noeviction');
});

afterAll(async () => {
  await closeRedis(redis);
  await server.stop();
});

function readiness(): Promise<Readiness> {
  const checks = new ReadinessChecks();
  for (const check of redisChecks(redis)) checks.add(check);
  return checks.run();
}

describe('readiness', () => {
  it('is ok with a Redis that keeps what it is given', async () => {
    expect(await readiness()).toMatchObject({ status: 'ok' });
  });

  it('is degraded when Redis may evict live sessions', async () => {
    await server.client().config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await readiness()).toMatchObject({
      status: 'degraded',
      checks: {
        redis: { status: 'ok' },
        memory: { warnings: [expect.stringContaining('allkeys-lru: it may evict live sessions')] },
      },
    });
  });

  it('is degraded from 80 % of the memory on', async () => {
    const used = Number(/^used_memory:(\d+)/m.exec(await server.client().info('memory'))?.[1]);
    await server.client().config('SET', 'maxmemory', String(Math.round(used * 1.1)));
    expect(await readiness()).toMatchObject({
      status: 'degraded',
      checks: { memory: { warnings: [expect.stringMatching(/uses \d+ % of its maxmemory/)] } },
    });
  });

  it('remembers that Redis has evicted keys: degraded, with what that means and what to do, also when its statistics are reset', async () => {
    const client = server.client();
    const checks = new ReadinessChecks();
    for (const check of redisChecks(redis)) checks.add(check);
    expect(await checks.run()).toMatchObject({ status: 'ok' });
    const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
    await client.config('SET', 'maxmemory', String(used + 200_000), 'maxmemory-policy', 'allkeys-lru');
    for (let i = 0; i < 100; i++) await client.set(`filler:${i}`, 'x'.repeat(10_000));
    await client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'noeviction');
    const warning = expect.stringMatching(/has evicted \d+ keys.*noeviction/);
    expect(await checks.run()).toMatchObject({ status: 'degraded', checks: { memory: { warnings: [warning] } } });
    await client.config('RESETSTAT');
    expect(await checks.run()).toMatchObject({ status: 'degraded', checks: { memory: { warnings: [warning] } } });
    await client.flushall();
  });

  it('fails when scripts are not allowed', async () => {
    const client = server.client();
    await client.call('ACL', 'SETUSER', 'default', '-script');
    try {
      expect(await readiness()).toMatchObject({ status: 'failed', checks: { scripts: { status: 'failed' } } });
    } finally {
      await client.call('ACL', 'SETUSER', 'default', '+script');
    }
  });

  it('fails, with a reason, when Redis is away, and is ok again afterwards', async () => {
    await server.kill();
    await eventually(() => redis.status !== 'ready');
    expect(await readiness()).toMatchObject({
      status: 'failed',
      checks: { redis: { status: 'failed', message: expect.any(String) } },
    });
    await server.restart();
    await eventually(async () => (await readiness()).status === 'ok');
  });
});
