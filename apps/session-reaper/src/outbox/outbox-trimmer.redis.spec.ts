import { setTimeout as delay } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { loadConfig } from '#config';
import { StreamsServer } from '#event-streams';
import { createLogger, RedisMemory } from '#service-kit';
import { historyKeys, shardKeys } from '#session-core';
import { eventually, onRedis, type RedisServer } from '#testing';

import { OutboxTrimmer, trimEveryMs } from './outbox-trimmer.service.js';

const TENANT = { name: 'default', shards: 1 };
const KEYS = shardKeys(TENANT, 0);
const BOUNDS = { events: { maxLength: 1_000, keepLength: 0 }, rejections: { maxLength: 500, keepLength: 200 } };

let redis: RedisServer;
let client: Redis;
let log: string[];

const trimmer = (options: { isRead?: boolean; isOpen?: boolean; memory?: RedisMemory } = {}) =>
  new OutboxTrimmer({
    client,
    logger: createLogger(loadConfig({ env: {}, cwd: '/' }), 'test', { write: (line) => void log.push(line) }),
    tenants: [TENANT],
    isRead: options.isRead ?? true,
    bounds: BOUNDS,
    isOpen: () => options.isOpen ?? true,
    memory: options.memory ?? new RedisMemory(),
  });
const publish = async (stream: string, count: number) => {
  const pipeline = client.pipeline();
  for (let i = 0; i < count; i += 1) pipeline.xadd(stream, '*', 'v', '1', 'type', 'session.admitted', 'id', `${i}`);
  await pipeline.exec();
};
/** The projector as far as streams know it: everything read and acknowledged. */
const readAll = async () => {
  const reader = new StreamsServer({
    connect: () => redis.client(),
    streams: [KEYS.events, KEYS.rejections],
    group: historyKeys.group,
    deadLetterStream: 'dead',
  });
  reader.addBatchHandler({ types: 'all', handle: async (entries) => entries.map(() => 'done') });
  reader.listen(() => {});
  await eventually(async () => {
    for (const stream of [KEYS.events, KEYS.rejections]) {
      const [group] = (await client.xinfo('GROUPS', stream)) as unknown[][];
      expect([group?.[group.indexOf('lag') + 1], group?.[group.indexOf('pending') + 1]]).toEqual([0, 0]);
    }
  });
  await reader.close();
};

onRedis((on) => ({ redis, client } = on));
beforeEach(() => {
  log = [];
});

describe('the outbox', () => {
  it('is trimmed behind history, with a tail for who reads the newest', async () => {
    await publish(KEYS.events, 900);
    await publish(KEYS.rejections, 450);
    await readAll();
    await trimmer().trimAll();
    expect(await client.xlen(KEYS.events)).toBe(0);
    expect(await client.xlen(KEYS.rejections)).toBeGreaterThanOrEqual(200);
    expect(await client.xlen(KEYS.rejections)).toBeLessThanOrEqual(300);
  });

  it('is not trimmed while history is behind and there is room', async () => {
    await readAll();
    await publish(KEYS.events, 790);
    await trimmer().trimAll();
    expect(await client.xlen(KEYS.events)).toBe(790);
    expect(log).toEqual([]);
  });

  it('raises the alarm once before anything is lost, and says when it is over', async () => {
    await readAll();
    await publish(KEYS.events, 800);
    const one = trimmer();
    await one.trimAll();
    await one.trimAll();
    expect(await client.xlen(KEYS.events)).toBe(800);
    expect(log.map((line) => JSON.parse(line))).toMatchObject([{ level: 'error', stream: KEYS.events, length: 800 }]);
    await readAll();
    await one.trimAll();
    expect(JSON.parse(log.at(-1) ?? '')).toMatchObject({ level: 'info', message: 'The outbox has room again' });
  });

  it('past its bound loses the oldest, and has a mark that says of when', async () => {
    await readAll();
    await publish(KEYS.events, 1_200);
    await trimmer().trimAll();
    expect(await client.xlen(KEYS.events)).toBe(1_000);
    const [[, mark] = ['', []]] = await client.xrevrange(KEYS.events, '+', '-', 'COUNT', 1);
    expect(mark).toEqual(expect.arrayContaining(['type', 'events.lost', 'tenant', 'default', 'entries', '201']));
    expect(log.map((line) => JSON.parse(line))).toMatchObject([{ level: 'error', losses: [{ group: 'history' }] }, {}]);
  });

  it('where nobody reads it has its bound and no alarm, although it was read once', async () => {
    await readAll();
    await publish(KEYS.events, 1_500);
    await trimmer({ isRead: false }).trimAll();
    expect(await client.xlen(KEYS.events)).toBe(1_000);
    expect(log.map((line) => JSON.parse(line).level)).not.toContain('error');
  });

  it('of a tenant that is not opened yet is left alone', async () => {
    await publish(KEYS.events, 1_500);
    await trimmer({ isOpen: false }).trimAll();
    expect(await client.xlen(KEYS.events)).toBe(1_500);
  });
});

describe('the pace of trimming', () => {
  const trims = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
  const running: OutboxTrimmer[] = [];
  const start = (memory: RedisMemory) => {
    const one = trimmer({ memory });
    running.push(one);
    one.onApplicationBootstrap();
  };

  afterEach(async () => {
    for (const one of running.splice(0)) await one.onModuleDestroy();
  });

  it('is 5 s without pressure, and evenly sooner up to four times a second where admissions would soon fail', () => {
    expect([0, 0.5, 0.8].map(trimEveryMs)).toEqual([5_000, 5_000, 5_000]);
    expect(trimEveryMs(0.85)).toBeCloseTo(2_625);
    expect([0.9, 1, 1.3].map(trimEveryMs)).toEqual([250, 250, 250]);
  });

  it('follows how full Redis is, and what that comes to within a second at the present growth', () => {
    const memory = new RedisMemory();
    expect(memory.expectedShare).toBe(0);
    memory.saw(0.7);
    expect(memory.expectedShare).toBeCloseTo(0.7);
    memory.saw(0.8);
    expect(memory.expectedShare).toBeCloseTo(0.9);
    memory.saw(0.75);
    expect(memory.expectedShare).toBeCloseTo(0.75);
  });

  it('is kept: ten passes under pressure take less than three without it', async () => {
    const memory = new RedisMemory();
    memory.saw(0.95);
    const [before, startedAt] = [await trims(), performance.now()];
    start(memory);
    // Two streams each.
    await eventually(async () => expect((await trims()) - before).toBeGreaterThanOrEqual(20));
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });

  it('costs nothing more without pressure', async () => {
    const memory = new RedisMemory();
    memory.saw(0.5);
    const before = await trims();
    start(memory);
    await delay(3_000);
    expect((await trims()) - before).toBe(0);
  });
});
