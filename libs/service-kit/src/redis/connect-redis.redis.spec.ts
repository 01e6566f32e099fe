import type { Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Cluster, type Redis } from 'ioredis';

import { loadConfig } from '#config';
import { eventually, startRedis, startRedisCluster, type RedisServer } from '#testing';

import { connectRedis, type RedisPurpose } from './connect-redis.js';
import { closeRedis, whenReady } from './redis-lifecycle.js';

const DEADLINE_MS = 200;
/** Well above the deadline, well below any wait for a reconnect or a queue. */
const AT_ONCE_MS = 4_000;

let server: RedisServer;
const open: (Redis | Cluster)[] = [];
const errors: Error[] = [];

beforeEach(async () => {
  server = await startRedis();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map(closeRedis));
  await server.stop();
});

function connect(url: string, purpose: RedisPurpose = 'decisions'): Redis | Cluster {
  const config = loadConfig({ env: { BERTH_REDIS_URL: url }, cwd: '/' }).redis;
  const redis = connectRedis(
    { ...config, deadlineMs: DEADLINE_MS },
    { purpose, onError: (error) => errors.push(error) },
  );
  open.push(redis);
  return redis;
}

/** Runs a command that has to fail, and says after how many milliseconds it did. */
async function failureOf(command: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await expect(command).rejects.toThrow();
  return performance.now() - start;
}

describe('a connection for decisions', () => {
  it('fails at once while the server is dead, and works again when it is back', async () => {
    errors.length = 0;
    const redis = connect(server.url);
    expect(await whenReady(redis, 5_000)).toBe(true);
    expect(await redis.set('a', 1)).toBe('OK');
    await server.kill();
    await eventually(() => redis.status !== 'ready');
    expect(await failureOf(redis.set('a', 2))).toBeLessThan(AT_ONCE_MS);
    await server.restart();
    await eventually(async () => (await redis.set('a', 3)) === 'OK');
    expect(errors).not.toHaveLength(0);
  });

  it.each(['decisions', 'queue', 'streams'] as const)(
    'survives that a broken connection fails once more: %s',
    async (purpose) => {
      const redis = connect(server.url, purpose);
      expect(await whenReady(redis, 5_000)).toBe(true);
      const { stream } = redis as unknown as { stream: Socket };
      stream.destroy(new Error('reset'));
      await eventually(() => stream.closed);
      // As a socket with TLS does when an alert of the server comes late; thrown here where nobody listens.
      expect(() => stream.emit('error', new Error('alert'))).not.toThrow();
      await eventually(async () => (await redis.set('a', 1)) === 'OK');
    },
  );

  it('fails what is in flight when the connection breaks, and never sends it again', async () => {
    const redis = connect(server.url);
    await whenReady(redis, 5_000);
    server.pause();
    const inFlight = redis.incr('counter');
    const failed = failureOf(inFlight);
    await server.kill();
    expect(await failed).toBeLessThan(AT_ONCE_MS);
    await server.restart();
    await eventually(async () => (await redis.ping()) === 'PONG');
    expect(await redis.get('counter')).toBeNull();
  });

  it('fails at the deadline when the server hangs, and works again when it goes on', async () => {
    const redis = connect(server.url);
    await whenReady(redis, 5_000);
    server.pause();
    expect(await failureOf(redis.ping())).toBeLessThan(AT_ONCE_MS);
    server.resume();
    await eventually(async () => (await redis.ping()) === 'PONG');
  });

  it('gives up a connection on which nothing answers, and makes a new one', async () => {
    const redis = connect(server.url);
    await whenReady(redis, 5_000);
    const lost = new Promise((resolve) => redis.once('close', () => resolve('closed')));
    server.pause();
    await failureOf(redis.ping());
    expect(await lost).toBe('closed');
    server.resume();
    await eventually(async () => (await redis.ping()) === 'PONG');
  });

  it('fails at once when there never was a server', async () => {
    await server.kill();
    const redis = connect(server.url);
    expect(await failureOf(redis.ping())).toBeLessThan(AT_ONCE_MS);
    expect(await whenReady(redis, 50)).toBe(false);
    await server.restart();
    expect(await whenReady(redis, 10_000)).toBe(true);
  });

  it('logs in and chooses the database', async () => {
    const guarded = await startRedis({ args: ['--requirepass', 'p@ss/word'] });
    try {
      const address = `127.0.0.1:${guarded.port}`;
      const redis = connect(`redis://:p%40ss%2Fword@${address}/3`);
      expect(await whenReady(redis, 5_000)).toBe(true);
      expect(await redis.call('CLIENT', 'INFO')).toContain(' db=3 ');
      errors.length = 0;
      expect(await whenReady(connect(`redis://:wrong@${address}`), 500)).toBe(false);
      expect(errors.map(({ message }) => message).join()).toMatch(/WRONGPASS/);
      await Promise.all(open.splice(0).map(closeRedis));
    } finally {
      await guarded.stop();
    }
  });
});

describe('a connection for queues', () => {
  it('keeps commands until the server is back', async () => {
    const redis = connect(server.url, 'queue');
    await whenReady(redis, 5_000);
    await server.kill();
    await eventually(() => redis.status !== 'ready');
    const waiting = redis.set('a', 1);
    await server.restart();
    expect(await waiting).toBe('OK');
  });
});

describe('a cluster connection for decisions', () => {
  it('finds its nodes from one address, bounds every command and survives a master that hangs', async () => {
    const cluster = await startRedisCluster();
    try {
      const [seed] = cluster.url.split(',');
      const redis = connect(seed ?? '');
      expect(redis).toBeInstanceOf(Cluster);
      expect(await whenReady(redis, 10_000)).toBe(true);
      // Concurrent first commands to nodes that are not connected yet.
      const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
      await Promise.all(keys.map((key) => redis.set(key, 1)));
      const victim = cluster.nodes.at(-1);
      victim?.server.pause();
      const outcomes = await Promise.all(
        keys.map(async (key) => {
          const start = performance.now();
          const ok = await redis.get(key).then(
            () => true,
            () => false,
          );
          return { ok, tookMs: performance.now() - start };
        }),
      );
      expect(outcomes.some(({ ok }) => ok)).toBe(true);
      expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(AT_ONCE_MS);
      victim?.server.resume();
      await eventually(async () =>
        (await Promise.all(keys.map((key) => redis.get(key)))).every((value) => value === '1'),
      );
      await Promise.all(open.splice(0).map(closeRedis));
    } finally {
      await cluster.stop();
    }
  });
});
