import { afterEach, describe, expect, it } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';

import { loadConfig } from '#config';
import { eventually, keepAlives, startRedis, startRedisCluster, startSentinel } from '#testing';

import { connectRedis, KEEP_ALIVE_MS, type RedisPurpose } from './connect-redis.js';
import { closeRedis, whenReady } from './redis-lifecycle.js';

const PURPOSES = ['decisions', 'queue', 'streams'] as const;

const open: (Redis | Cluster)[] = [];
const servers: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map(closeRedis));
  for (const server of servers.splice(0).toReversed()) await server.stop();
});

async function connect(url: string, purpose: RedisPurpose): Promise<Redis | Cluster> {
  const { redis } = loadConfig({ env: { BERTH_REDIS_URL: url }, cwd: '/' });
  const client = connectRedis(redis, { purpose, onError: () => {} });
  open.push(client);
  expect(await whenReady(client, 10_000)).toBe(true);
  return client;
}

/** All connections of this process to these ports, `least` of them or more, are asked for after the time that was set. */
async function allAreAskedFor(ports: readonly number[], least: number): Promise<void> {
  await eventually(async () => {
    const found = await keepAlives(ports);
    expect(found.length).toBeGreaterThanOrEqual(least);
    for (const inMs of found) {
      expect(inMs).not.toBeNull();
      expect(inMs).toBeLessThanOrEqual(KEEP_ALIVE_MS);
    }
  });
}

// What a socket is set to is read from /proc.
const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;

describeOnLinux('the system asks whether a silent Redis is still there', () => {
  it('on a connection for each purpose, and on the duplicates that BullMQ makes', async () => {
    const redis = await startRedis();
    servers.push(redis);
    for (const purpose of PURPOSES) {
      const duplicate = ((await connect(redis.url, purpose)) as Redis).duplicate();
      open.push(duplicate);
      await whenReady(duplicate, 10_000);
    }
    await allAreAskedFor([redis.port], 2 * PURPOSES.length);
  });

  it('behind a sentinel', async () => {
    const redis = await startRedis();
    const sentinel = await startSentinel(redis.port);
    servers.push(redis, sentinel);
    for (const purpose of PURPOSES) await connect(`redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`, purpose);
    await allAreAskedFor([redis.port], PURPOSES.length);
  });

  it('on the connections to all nodes of a cluster', async () => {
    const cluster = await startRedisCluster();
    servers.push(cluster);
    for (const purpose of PURPOSES) {
      const client = await connect(cluster.url, purpose);
      for (let index = 0; index < 60; index += 1) await client.set(`key-${index}`, 1);
    }
    const ports = cluster.nodes.map(({ server }) => server.port);
    await allAreAskedFor(ports, PURPOSES.length * ports.length);
  });
});
