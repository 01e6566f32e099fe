import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';

import { loadConfig } from '#config';
import { eventually, startRedis, type RedisServer } from '#testing';

import { connectRedis } from '../redis/connect-redis.js';
import { closeRedis, whenReady } from '../redis/redis-lifecycle.js';
import { memoryCheck } from './memory-check.js';

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

describe('the memory of Redis', () => {
  it('is ok where Redis keeps what it is given', async () => {
    expect(await memoryCheck(redis).run()).toEqual({ status: 'ok' });
  });

  it('is degraded when Redis may evict live sessions', async () => {
    await server.client().config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await memoryCheck(redis).run()).toEqual({
      status: 'degraded',
      warnings: [expect.stringContaining('allkeys-lru: it may evict live sessions')],
    });
  });

  it('is degraded from 80 % of the memory on', async () => {
    const used = Number(/^used_memory:(\d+)/m.exec(await server.client().info('memory'))?.[1]);
    await server.client().config('SET', 'maxmemory', String(Math.round(used * 1.1)));
    expect(await memoryCheck(redis).run()).toEqual({
      status: 'degraded',
      warnings: [expect.stringMatching(/uses \d+ % of its maxmemory/)],
    });
  });

  it('remembers that Redis has evicted keys: degraded, with what that means and what to do, also when its statistics are reset', async () => {
    const client = server.client();
    const check = memoryCheck(redis);
    expect(await check.run()).toMatchObject({ status: 'ok' });
    const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
    await client.config('SET', 'maxmemory', String(used + 200_000), 'maxmemory-policy', 'allkeys-lru');
    for (let i = 0; i < 100; i++) await client.set(`filler:${i}`, 'x'.repeat(10_000));
    await client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'noeviction');
    const warning = expect.stringMatching(/has evicted \d+ keys.*noeviction/);
    expect(await check.run()).toMatchObject({ status: 'degraded', warnings: [warning] });
    await client.config('RESETSTAT');
    expect(await check.run()).toMatchObject({ status: 'degraded', warnings: [warning] });
    await client.flushall();
  });

  it('is degraded, with the reason and without an address, when Redis is away, and ok again afterwards', async () => {
    await server.kill();
    await eventually(() => redis.status !== 'ready');
    try {
      await eventually(async () => {
        const found = await memoryCheck(redis).run();
        expect(found).toMatchObject({ status: 'degraded', warnings: [expect.stringContaining('Nothing listens')] });
        expect(JSON.stringify(found)).not.toContain('127.0.0.1');
      });
    } finally {
      await server.restart();
    }
    await eventually(async () => (await memoryCheck(redis).run()).status === 'ok');
  });
});
