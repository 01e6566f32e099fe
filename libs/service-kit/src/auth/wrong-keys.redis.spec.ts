import { beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Redis } from 'ioredis';

import { loadConfig, type BerthConfig } from '#config';
import { endedAfterEach, eventually, onRedis, startRedis, startRedisCluster, type RedisServer } from '#testing';

import { createApp } from '../app/create-app.js';
import { createLogger } from '../logging/logger.js';
import { newKey } from './authenticate.js';
import { Needs } from './rights.guard.js';

@Controller('v1')
@Needs('node.speak')
class ThingsController {
  @Get('thing')
  thing(): unknown {
    return {};
  }
}

@Module({ controllers: [ThingsController] })
class ThingsModule {}

const right = newKey();
const wrong = () => `Bearer ${newKey().key}`;
const keys = [
  {
    id: 'n',
    hash: right.hash.slice('sha256:'.length),
    role: 'node' as const,
    tenant: 'default',
    nodes: null,
    emergency: false,
  },
];

let redis: RedisServer;
let books: Redis;
let log: string[];
const apps = endedAfterEach<NestFastifyApplication>((app) => app.close());

async function start(url = redis.url, extra: Partial<BerthConfig> = {}): Promise<NestFastifyApplication> {
  const loaded = loadConfig({ env: { BERTH_REDIS_URL: url }, cwd: '/' });
  const patient = {
    store: { ...loaded.store, decisionDeadlineMs: 10_000 },
    redis: { ...loaded.redis, deadlineMs: 10_000 },
  };
  const config = { ...loaded, ...patient, auth: { keys }, ...extra };
  const logger = createLogger(config, 'things', { write: (line) => void log.push(line) });
  const app = await createApp(ThingsModule, { config, logger });
  apps.push(app);
  return app;
}

onRedis((on) => ({ redis, client: books } = on));
beforeEach(() => {
  log = [];
});
const ask = async (
  app: NestFastifyApplication,
  authorization: string | undefined,
  remoteAddress = '192.0.2.1',
  headers: Record<string, string> = {},
) =>
  await app.inject({
    url: '/v1/thing',
    remoteAddress,
    headers: { ...headers, ...(authorization !== undefined && { authorization }) },
  });

const statusOf = async (...args: Parameters<typeof ask>) => (await ask(...args)).statusCode;

/** The statuses of so many wrong keys in a row. */
async function wrongKeys(app: NestFastifyApplication, count: number, address?: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < count; i += 1) statuses.push(await statusOf(app, wrong(), address));
  return statuses;
}

/** Whether a wrong key hears 429. One of two: a machine that stood still for six seconds has one more 401. */
async function isSlowed(...[app, address, headers]: [NestFastifyApplication, string?, Record<string, string>?]) {
  const first = await statusOf(app, wrong(), address, headers);
  return first === 429 || (await statusOf(app, wrong(), address, headers)) === 429;
}

const linesOf = () =>
  log
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ message }) => message === 'Calls without a known key');

describe('wrong keys are slowed', () => {
  it('per source, with 429 too-many-attempts and Retry-After, long before the hundredth in a row', async () => {
    const app = await start();
    const statuses = await wrongKeys(app, 99);
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401));
    expect(statuses).toContain(429);
    const replies = [await ask(app, wrong()), await ask(app, wrong())];
    const reply = replies.find(({ statusCode }) => statusCode === 429) ?? replies[0]!;
    expect([reply.statusCode, reply.json()]).toEqual([
      429,
      expect.objectContaining({ code: 'too-many-attempts', type: 'urn:berth:problem:too-many-attempts', status: 429 }),
    ]);
    expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(reply.headers['retry-after'])).toBeLessThanOrEqual(6);
    expect(await statusOf(app, wrong(), '192.0.2.2')).toBe(401);
  });

  it('fleet-wide: what one process counted holds at another', async () => {
    const [one, other] = [await start(), await start()];
    await wrongKeys(one, 40);
    expect(await isSlowed(other)).toBe(true);
    expect(await statusOf(other, wrong(), '192.0.2.2')).toBe(401);
  });

  it('an IPv6 site is one source', async () => {
    const app = await start();
    for (let i = 0; i < 40; i += 1) await statusOf(app, wrong(), `2001:db8:1:2::${i.toString(16)}`);
    expect(await isSlowed(app, '2001:db8:1:2:ffff::1')).toBe(true);
    expect(await statusOf(app, wrong(), '2001:db8:1:3::1')).toBe(401);
  });

  it('a right key never hears it, also from an address that is slowed, and is no question to Redis', async () => {
    const app = await start();
    await wrongKeys(app, 40);
    for (let i = 0; i < 20; i += 1) {
      expect(await isSlowed(app)).toBe(true);
      expect(await statusOf(app, `Bearer ${right.key}`)).toBe(200);
    }
    const counted = await books.keys('berth:{attempts/*');
    await Promise.all(Array.from({ length: 50 }, () => statusOf(app, `Bearer ${right.key}`, '192.0.2.77')));
    expect(await books.keys('berth:{attempts/*')).toEqual(counted);
  });

  it('what is no key at all is a wrong one too; a call without any is 401 for ever', async () => {
    const app = await start();
    for (let i = 0; i < 40; i += 1) expect(await statusOf(app, undefined)).toBe(401);
    expect(await statusOf(app, wrong())).toBe(401);
    for (let i = 0; i < 40; i += 1) await statusOf(app, 'Basic YTpi');
    expect([await statusOf(app, 'Basic YTpi'), await statusOf(app, 'Basic YTpi')]).toContain(429);
    expect(await statusOf(app, undefined)).toBe(401);
  });

  it.each<[string, (server: RedisServer) => unknown]>([
    ['gone', (server) => server.kill()],
    ['hung', (server) => server.pause()],
    ['full', (server) => server.client().config('SET', 'maxmemory', '1')],
    ['a replica', (server) => server.client().replicaof('127.0.0.1', '1')],
  ])('Redis away slows nobody: %s', async (_how, lose) => {
    const own = await startRedis();
    try {
      const { store, redis: connection } = loadConfig({ env: { BERTH_REDIS_URL: own.url }, cwd: '/' });
      const app = await start(own.url, { store, redis: connection });
      await own.client().flushall();
      await lose(own);
      expect(new Set(await wrongKeys(app, 40))).toEqual(new Set([401]));
      expect(await statusOf(app, `Bearer ${right.key}`)).toBe(200);
    } finally {
      await own.stop();
    }
  });

  it('who is slowed when Redis is lost is slowed no longer', async () => {
    const own = await startRedis();
    try {
      const app = await start(own.url);
      expect(await wrongKeys(app, 40)).toContain(429);
      await own.kill();
      await eventually(async () => (await statusOf(app, wrong())) === 401, { what: 'the loss of Redis to be noticed' });
      expect(new Set(await wrongKeys(app, 40))).toEqual(new Set([401]));
      await own.restart();
      await eventually(async () => (await statusOf(app, wrong())) === 429, { what: 'Redis to count again' });
    } finally {
      await own.stop();
    }
  });

  it('in a Redis Cluster as well', async () => {
    const cluster = await startRedisCluster();
    try {
      const loaded = loadConfig({ env: { BERTH_REDIS_URL: cluster.url }, cwd: '/' });
      const app = await start(cluster.url, { redis: { ...loaded.redis, deadlineMs: 10_000 } });
      for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5', '192.0.2.6']) {
        const statuses = await wrongKeys(app, 30, address);
        expect(statuses[0]).toBe(401);
        expect(statuses).toContain(429);
      }
    } finally {
      await cluster.stop();
    }
  });

  it('http.trusted_proxies decides what the source is; without it X-Forwarded-For is nothing', async () => {
    const [open, behind] = [
      await start(),
      await start(redis.url, { http: { trustedProxies: ['10.0.0.0/8'], tls: null } }),
    ];
    const from = (address: string) => ({ 'x-forwarded-for': `203.0.113.200, ${address}` });
    for (let i = 0; i < 40; i += 1) await statusOf(open, wrong(), '10.0.0.1', from(`198.51.100.${i}`));
    expect(await isSlowed(open, '10.0.0.1', from('198.51.100.99'))).toBe(true);
    expect(await statusOf(behind, wrong(), '10.0.0.1', from('198.51.100.7'))).toBe(401);
    for (let i = 0; i < 40; i += 1) await statusOf(behind, wrong(), '10.0.0.1', from('198.51.100.7'));
    expect(await isSlowed(behind, '10.0.0.2', from('198.51.100.7'))).toBe(true);
    expect(await statusOf(behind, wrong(), '10.0.0.2', from('198.51.100.8'))).toBe(401);
  });
});

it('wrong keys are counted: berth_auth_failures_total{reason}, also those that were slowed', async () => {
  const app = await start();
  await wrongKeys(app, 40);
  await ask(app, undefined);
  await ask(app, 'Basic YTpi');
  const { payload } = await app.inject({ url: '/metrics', headers: { authorization: `Bearer ${right.key}` } });
  expect(payload.match(/^berth_auth_failures_total.*$/gm)?.toSorted()).toEqual([
    'berth_auth_failures_total{reason="malformed"} 1',
    'berth_auth_failures_total{reason="missing"} 1',
    'berth_auth_failures_total{reason="unknown"} 40',
  ]);
});

it('wrong keys are logged with the source and how many, one line a second at most, and no key', async () => {
  const app = await start();
  const began = performance.now();
  const key = wrong();
  await Promise.all([
    ...Array.from({ length: 60 }, () => ask(app, key)),
    ...Array.from({ length: 30 }, () => ask(app, undefined, '2001:db8:1:2::9')),
  ]);
  const sum = () => linesOf().reduce((total, { count }) => total + Number(count), 0);
  await eventually(() => Promise.resolve(sum() === 90), { what: 'all of them to be in the log' });
  expect(linesOf().length).toBeLessThanOrEqual(Math.floor((performance.now() - began) / 1_000) + 1);
  expect(linesOf()[0]).toMatchObject({ level: 'warn', count: 1, sources: [{ source: '192.0.2.1', count: 1 }] });
  const sources = linesOf().flatMap(({ sources: named }) => named as { source: string; count: number }[]);
  const of = (name: string) => sources.reduce((total, { source, count }) => total + (source === name ? count : 0), 0);
  expect([of('192.0.2.1'), of('2001:db8:1:2::/64')]).toEqual([60, 30]);
  expect(log.join('')).not.toContain(key.slice('Bearer '.length));
  expect(log.filter((line) => line.includes('unauthorized'))).toEqual([]);
});

it('what was not logged yet is in the log when the app has stopped', async () => {
  const app = await start();
  await wrongKeys(app, 5);
  await app.close();
  expect(linesOf().reduce((total, { count }) => total + Number(count), 0)).toBe(5);
});
