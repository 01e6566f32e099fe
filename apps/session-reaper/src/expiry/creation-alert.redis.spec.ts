import { expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Redis } from 'ioredis';

import { loadConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { shardKeys } from '#session-core';
import { describeWith, endedAfterEach, eventually, type RedisServer } from '#testing';

import { TestBooks, onTestBooks } from '../books.fixture.js';
import { AppModule } from '../app.module.js';
import { SweepService } from './sweep.service.js';

const TENANT = { name: 'default', shards: 1 };
const RAISED = 'More sessions created within an hour than session_creation_alert_threshold';
const OVER = 'Sessions created within an hour are below the alert threshold again';

interface Reaper {
  lines(message: string): Record<string, unknown>[];
  alerts(): Promise<number>;
  /** Waits until so many more passes are over: what a pass would do has been done. */
  passes(count: number): Promise<void>;
}

describeWith(['redis-server'], 'the alert on sessions created', () => {
  let redis: RedisServer;
  let client: Redis;
  let books: TestBooks;
  const apps = endedAfterEach<NestFastifyApplication>((app) => app.close());

  onTestBooks((suite) => {
    ({ books, client, redis } = suite);
  });

  async function startReaper(): Promise<Reaper> {
    const loaded = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
    const config = { ...loaded, reaper: { sweepIntervalMs: 100 } };
    const log: Record<string, unknown>[] = [];
    const logger = createLogger(config, 'session-reaper', { write: (line) => log.push(JSON.parse(line) as never) });
    const app = await createApp(AppModule, { config, logger });
    apps.push(app);
    const sum = async (name: string) => {
      const { payload } = await app.inject('/metrics');
      const samples = payload.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
      return samples.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
    };
    const passed = async () => await sum('berth_sweep_duration_seconds_count');
    return {
      lines: (message) => log.filter((line) => line['message'] === message),
      alerts: async () => await sum('berth_creation_alerts_total'),
      async passes(count) {
        const before = await passed();
        await eventually(async () => expect(await passed()).toBeGreaterThanOrEqual(before + count));
      },
    };
  }

  const alertAbove = async (alertThreshold: number) =>
    await books.store.limits.change(TENANT, (api) => ({ ...api, alertThreshold }));

  const admit = async (...ids: string[]) => {
    for (const id of ids) await books.admit(id, {});
  };

  const events = async () => {
    const entries = await client.xrange(shardKeys(TENANT, 0).events, '-', '+');
    const fields = entries.map(([, flat]) => new Map(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]]))));
    return fields.filter((event) => event.get('type') === 'creation.alert').map((event) => Object.fromEntries(event));
  };

  it('is raised once above the threshold: one event, one log line, one in the metric, however often is looked', async () => {
    await alertAbove(2);
    const reaper = await startReaper();
    await admit('a', 'b', 'c');

    await eventually(async () => expect(await reaper.alerts()).toBe(1));
    await reaper.passes(3);
    await admit('d');
    await reaper.passes(3);

    expect(await reaper.alerts()).toBe(1);
    expect(await events()).toEqual([
      expect.objectContaining({
        v: '1',
        type: 'creation.alert',
        tenant: 'default',
        created: '3',
        threshold: '2',
        id: expect.stringMatching(/./),
        at: expect.stringMatching(/^\d+$/),
      }),
    ]);
    expect(reaper.lines(RAISED)).toEqual([
      expect.objectContaining({ level: 'warn', tenant: 'default', created: 3, threshold: 2 }),
    ]);
    expect(reaper.lines(OVER)).toEqual([]);
  });

  it('counts each session once, also those that have ended, and is silent at the threshold itself', async () => {
    await alertAbove(2);
    const reaper = await startReaper();
    await admit('a', 'a', 'b', 'b');
    await reaper.passes(3);
    expect([await reaper.alerts(), await events(), reaper.lines(RAISED)]).toEqual([0, [], []]);

    for (const sessionId of ['a', 'b'])
      await books.store.end(TENANT, { sessionId }, { reason: 'completed', by: 'node' });
    await admit('c');
    await eventually(async () => expect(await reaper.alerts()).toBe(1));
    expect(await events()).toHaveLength(1);
  });

  it('is raised by one of several replicas, also where they look at the same moment', async () => {
    await alertAbove(2);
    const reapers = [await startReaper(), await startReaper(), await startReaper()];
    await admit('a', 'b', 'c');
    for (let i = 0; i < 5; i += 1) await Promise.all(apps.map((app) => app.get(SweepService).pass('timer')));

    const raised = await Promise.all(reapers.map(async (reaper) => await reaper.alerts()));
    expect(raised.toSorted((a, b) => a - b)).toEqual([0, 0, 1]);
    expect(await events()).toHaveLength(1);
    expect(reapers.flatMap((reaper) => reaper.lines(RAISED))).toHaveLength(1);
  });

  it('is over when the threshold is above what was created, and then can be raised again', async () => {
    await alertAbove(1);
    const reaper = await startReaper();
    await admit('a', 'b', 'c');
    await eventually(async () => expect(await reaper.alerts()).toBe(1));

    await alertAbove(3);
    await eventually(() => expect(reaper.lines(OVER)).toHaveLength(1));
    expect(reaper.lines(OVER)).toEqual([expect.objectContaining({ level: 'info', created: 3, threshold: 3 })]);
    await admit('d');
    await eventually(async () => expect(await reaper.alerts()).toBe(2));

    const ids = (await events()).map(({ id }) => id);
    expect([ids.length, new Set(ids).size]).toEqual([2, 2]);
    expect(reaper.lines(RAISED)).toHaveLength(2);
  });

  it('is not asked for where no threshold is set', async () => {
    const reaper = await startReaper();
    await admit('a', 'b', 'c');
    await reaper.passes(2);
    expect([await reaper.alerts(), await events()]).toEqual([0, []]);
    expect(await client.exists(shardKeys(TENANT, 0).creations)).toBe(0);
  });
});
