import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { HOUR_MS } from '#basics';
import { loadConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { shardKeys, type StoreClient } from '#session-core';
import {
  describeWith,
  eventually,
  inForm,
  startRedis,
  startRedisCluster,
  type RedisCluster,
  type RedisServer,
} from '#testing';

import { TestBooks } from '../books.fixture.js';
import { startFreezingProxy } from '../freezing-proxy.fixture.js';
import { AppModule } from '../app.module.js';
import { ShardSweepService } from './shard-sweep.service.js';

const SWEEP_MS = 200;
/** Long enough that something happens before it is worked off. */
const BACKLOG = inForm({ short: 6_000, long: 20_000 });

type LogLine = { level: string; message: string; [field: string]: unknown };

interface Reaper {
  app: NestFastifyApplication;
  log: LogLine[];
  messages(): string[];
  metric(line: string): Promise<number>;
}

const apps: NestFastifyApplication[] = [];

async function startReaper(
  url: string,
  {
    sweepIntervalMs = SWEEP_MS,
    shards = 1,
    deadlineMs,
  }: { sweepIntervalMs?: number; shards?: number; deadlineMs?: number } = {},
): Promise<Reaper> {
  const loaded = loadConfig({ env: { BERTH_REDIS_URL: url }, cwd: '/' });
  const tenants = { default: { ...loaded.tenants.default, shards } };
  const redis = { ...loaded.redis, deadlineMs: deadlineMs ?? loaded.redis.deadlineMs };
  const config = { ...loaded, redis, tenants, reaper: { sweepIntervalMs } };
  const log: LogLine[] = [];
  const logger = createLogger(config, 'session-reaper', { write: (line) => log.push(JSON.parse(line) as LogLine) });
  const app = await createApp(AppModule, { config, logger });
  apps.push(app);
  return {
    app,
    log,
    messages: () => log.map(({ message }) => message),
    async metric(line) {
      const { payload } = await app.inject('/metrics');
      const found = payload.split('\n').find((candidate) => candidate.startsWith(`${line} `));
      return Number(found?.slice(line.length) ?? 0);
    },
  };
}

async function closeApps(): Promise<void> {
  await Promise.all(apps.splice(0).map((app) => app.close()));
}

async function queueKeys(client: StoreClient): Promise<string[]> {
  return (await client.keys('{berth}:*')).toSorted();
}

describeWith(['redis-server'], 'the reaper on one Redis', () => {
  let redis: RedisServer;
  let client: ReturnType<RedisServer['client']>;
  let books: TestBooks;

  beforeAll(async () => {
    redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    client = redis.client();
  });

  beforeEach(async () => {
    await client.flushall();
    await client.config('RESETSTAT');
    books = await new TestBooks(client).open();
  });

  afterEach(closeApps);

  afterAll(async () => {
    await redis?.stop();
  });

  const allEnded = async (count: number) => {
    await eventually(async () => expect(await books.live()).toBe(0), { what: 'every session to end' });
    const ended = await books.ended();
    expect(ended).toHaveLength(count);
    return ended;
  };

  it('ends by idle time, maximum duration and unconfirmed reservation, each with its reason', async () => {
    await books.admit('idle', { idleMs: 300, maxDurationMs: 60_000 });
    await books.admit('long', { idleMs: 60_000, maxDurationMs: 300 });
    await books.admit('ringing', { state: 'reserved', reservationMs: 300 });
    await books.admit('stays', { idleMs: 60_000 });
    const reaper = await startReaper(redis.url);
    await eventually(async () => expect(await books.live()).toBe(1));

    const reasons = (await books.ended()).map(({ sessionId, reason }) => [sessionId, reason]);
    expect(new Map(reasons as [string, string][])).toEqual(
      new Map([
        ['idle', 'idle_timeout'],
        ['long', 'max_duration'],
        ['ringing', 'reservation_expired'],
      ]),
    );
    await eventually(async () => expect(await reaper.metric('berth_expiry_lateness_seconds_count')).toBe(3));
    for (const reason of ['idle_timeout', 'max_duration', 'reservation_expired']) {
      expect(await reaper.metric(`berth_sessions_ended_total{reason="${reason}"}`)).toBe(1);
    }
    const lines = reaper.log.filter(({ session_id: id }) => id !== undefined);
    expect(lines.map(({ message, session_id: id, user, peer }) => [message, id, user, peer])).toEqual(
      expect.arrayContaining([
        ['Terminating idle session', 'idle', 'alice', '192.0.2.10:5060'],
        ['Session removed', 'long', 'alice', '192.0.2.10:5060'],
        ['Session removed', 'ringing', 'alice', '192.0.2.10:5060'],
      ]),
    );
    expect(lines).toHaveLength(3);
  });

  it('never ends a session before its time, and a renewal postpones it', async () => {
    await startReaper(redis.url);
    await books.admit('renewed', { idleMs: 2_000 });
    await books.admit('silent', { idleMs: 2_000 });
    await eventually(async () => {
      expect(await books.renew('renewed')).toBe('live');
      return (await books.live()) === 1;
    });
    const renewedAt = Date.now();
    const [silent, renewed] = await allEnded(2);
    expect([silent?.['sessionId'], renewed?.['sessionId']]).toEqual(['silent', 'renewed']);
    expect(Number(silent?.['endedAt'])).toBeGreaterThanOrEqual(Number(silent?.['startedAt']) + 2_000);
    expect(Number(renewed?.['endedAt'])).toBeGreaterThanOrEqual(renewedAt + 2_000 - 5);
  });

  it('ends each in its moment by the delayed job alone, re-armed from its own handler', async () => {
    await Promise.all([200, 600, 1_000, 1_001, 1_400].map((ms) => books.admit(`after-${ms}`, { maxDurationMs: ms })));
    const reaper = await startReaper(redis.url, { sweepIntervalMs: HOUR_MS });
    await allEnded(5);
    expect(await reaper.metric('berth_sweep_duration_seconds_count{trigger="queue"}')).toBe(1);
    expect(await reaper.metric('berth_sweep_duration_seconds_count{trigger="timer"}')).toBe(0);
  });

  describe('with CLEANUP_INTERVAL_SECONDS=300, or an hour between two sweeps', () => {
    const settled = async (reaper: Reaper) => {
      await eventually(async () =>
        expect(await reaper.metric('berth_sweep_duration_seconds_count{trigger="queue"}')).toBe(1),
      );
    };

    it('ends in its moment what came after the sweep, before all others', async () => {
      await books.admit('long', { maxDurationMs: 2 * HOUR_MS });
      const reaper = await startReaper(redis.url, { sweepIntervalMs: HOUR_MS });
      await settled(reaper);
      for (const round of [1, 2]) {
        await books.admit(`short-${round}`, { maxDurationMs: 3_000 });
        await books.admit(`idle-${round}`, { idleMs: 2_500 });
        await eventually(async () => expect(await books.live()).toBe(1));
        expect(await books.ended()).toHaveLength(2 * round);
      }
      // The delayed jobs alone: nobody else has swept.
      expect(await reaper.metric('berth_sweep_duration_seconds_count{trigger="queue"}')).toBe(1);
      expect(await reaper.metric('berth_sweep_duration_seconds_count{trigger="timer"}')).toBe(0);
    });

    it('arms the job for what came, before it is due', async () => {
      const reaper = await startReaper(redis.url, { sweepIntervalMs: HOUR_MS });
      await settled(reaper);
      await books.admit('later', { maxDurationMs: HOUR_MS });
      await eventually(async () => expect(await client.zcard('{berth}:expiry:delayed')).toBe(2));
      const moments = async () => await client.zrange('{berth}:expiry:delayed', '0', '-1', 'WITHSCORES');
      const first = await moments();
      await books.admit('sooner', { maxDurationMs: HOUR_MS / 2 });
      await eventually(async () => expect(await moments()).not.toEqual(first));
      expect(await client.zcard('{berth}:expiry:delayed')).toBe(2);
    });

    it('ends it within seconds although its job was lost', async () => {
      const reaper = await startReaper(redis.url, { sweepIntervalMs: HOUR_MS });
      await settled(reaper);
      await books.admit('robbed', { maxDurationMs: 1_500 });
      await eventually(async () => {
        // Whatever job is armed goes, and with it what finds it again.
        const keys = await queueKeys(client);
        if (keys.length > 0) await client.del(...keys);
        return (await books.live()) === 0;
      });
      await allEnded(1);
    });

    it('ends it within seconds although the queue is frozen', async () => {
      const proxy = await startFreezingProxy(redis.port);
      try {
        const reaper = await startReaper(`redis://127.0.0.1:${proxy.port}`, { sweepIntervalMs: HOUR_MS });
        await settled(reaper);
        proxy.freeze('expiry');
        await books.admit('during', { maxDurationMs: 300 });
        await allEnded(1);
      } finally {
        await closeApps();
        await proxy.stop();
      }
    });

    it('does the upkeep once a second all the same: alerts, and limits that a crash left behind', async () => {
      const reaper = await startReaper(redis.url, { sweepIntervalMs: HOUR_MS });
      await settled(reaper);
      await books.store.limits.change({ name: 'default', shards: 1 }, (api) => ({ ...api, alertThreshold: 1 }));
      await books.admit('one', {});
      await books.admit('two', {});
      await eventually(async () => expect(await reaper.metric('berth_creation_alerts_total')).toBe(1));

      const { limits } = shardKeys({ name: 'default', shards: 1 }, 0);
      await client.hset(limits, 'version', 0);
      await eventually(async () => expect(Number(await client.hget(limits, 'version'))).toBeGreaterThan(0));
    });
  });

  it('moves the delayed job forward when a shorter session arrives, at the next sweep', async () => {
    await books.admit('long', { maxDurationMs: HOUR_MS });
    await startReaper(redis.url);
    await eventually(async () => expect(await client.zcard('{berth}:expiry:delayed')).toBe(2));
    await books.admit('short', { maxDurationMs: 200 });
    await eventually(async () => expect(await books.live()).toBe(1));
  });

  it('keeps one delayed job however often it is armed, and leaves nothing of jobs that are done', async () => {
    await books.admit('last', { maxDurationMs: HOUR_MS });
    const { app } = await startReaper(redis.url, { sweepIntervalMs: HOUR_MS });
    await eventually(async () => expect(await client.zcard('{berth}:expiry:delayed')).toBe(2));
    const before = await queueKeys(client);
    const ref = { key: 'default/0', tenant: { name: 'default', shards: 1 }, shard: 0 };
    for (let index = 0; index < 1_000; index += 1) await app.get(ShardSweepService).sweep(ref);
    expect(await client.zcard('{berth}:expiry:delayed')).toBe(2);
    expect((await queueKeys(client)).length).toBeLessThanOrEqual(before.length);
    expect(await client.xlen('{berth}:expiry:events')).toBeLessThanOrEqual(300);
  });

  it('leaves a bounded number of queue keys after a thousand sessions', async () => {
    await startReaper(redis.url);
    const numbers = Array.from({ length: 1_000 }, (_, index) => index);
    await Promise.all(numbers.map((index) => books.admit(`call-${index}`, { maxDurationMs: 1 + 2 * index })));
    await allEnded(1_000);
    await eventually(async () => {
      expect(await client.llen('{berth}:expiry:active')).toBe(0);
      expect(await client.zcard('{berth}:expiry:delayed')).toBe(1);
      // Scheduler, counters and event stream; and the one job of the next sweep.
      expect((await queueKeys(client)).length).toBeLessThanOrEqual(10);
    });
  });

  it('ends each session once with several replicas', async () => {
    await Promise.all([startReaper(redis.url), startReaper(redis.url), startReaper(redis.url)]);
    await books.admitMany(500, 300);
    const ended = await allEnded(500);
    expect(new Set(ended.map(({ sessionId }) => sessionId)).size).toBe(500);
  });

  it('works off a large backlog in bounded batches, and admissions are decided in between', async () => {
    await books.admitMany(BACKLOG, 0);
    // A batch whose answer comes too late on a busy machine has ended, but nobody counts it.
    const reaper = await startReaper(redis.url, { deadlineMs: 60_000 });
    await eventually(async () => (await books.live()) < BACKLOG, { intervalMs: 1 });
    await books.admit('between', {});
    expect(await books.live()).toBeGreaterThan(1);
    await eventually(async () => expect(await books.live()).toBe(1));

    const perMoment = new Map<string, number>();
    for (const { endedAt = '' } of await books.ended()) perMoment.set(endedAt, (perMoment.get(endedAt) ?? 0) + 1);
    // One script call has one time. A batch is 25 sessions; on a very fast machine two may share a millisecond.
    expect(Math.max(...perMoment.values())).toBeLessThanOrEqual(100);
    await eventually(async () => expect(await reaper.metric('berth_expiry_lateness_seconds_count')).toBe(BACKLOG));
  });

  it('sweeps by its own timer while the queue is frozen, and by the queue again afterwards', async () => {
    const proxy = await startFreezingProxy(redis.port);
    try {
      const reaper = await startReaper(`redis://127.0.0.1:${proxy.port}`);
      const passes = (trigger: string) => reaper.metric(`berth_sweep_duration_seconds_count{trigger="${trigger}"}`);
      await eventually(async () => expect(await passes('queue')).toBeGreaterThan(1));
      // Both connections of the queue carry its name, the books' connection never does.
      proxy.freeze('expiry');
      const frozenAt = await passes('queue');
      await books.admit('during', { maxDurationMs: 300 });
      await allEnded(1);
      // The session ends in the middle of a pass, which counts when it is over.
      await eventually(async () => expect(await passes('timer')).toBeGreaterThan(0));
      expect(await passes('queue')).toBeLessThanOrEqual(frozenAt + 1);
      proxy.thaw();
      await eventually(async () => expect(await passes('queue')).toBeGreaterThan(frozenAt + 2));
    } finally {
      await closeApps();
      await proxy.stop();
    }
  });

  it('goes on when the connections of the queue are killed again and again', async () => {
    const blocked = async () => String(await client.client('LIST')).match(/^id=\d+(?=.* cmd=bzpopmin)/gm) ?? [];
    await startReaper(redis.url);
    await books.admitMany(50, 1_500);
    await eventually(async () => {
      for (const id of await blocked()) await client.call('CLIENT', 'KILL', 'ID', id.slice(3));
      return (await books.live()) === 0;
    });
    await allEnded(50);
    await eventually(async () => expect(await blocked()).toHaveLength(1));
  });

  it('ends sessions although the memory of Redis is full, without storming it', async () => {
    const reaper = await startReaper(redis.url);
    await books.admitMany(50, 1_000);
    await client.config('SET', 'maxmemory', 1);
    try {
      // By what the reaper counts: where memory is short nothing is kept in an outbox that nobody reads.
      await eventually(async () =>
        expect(await reaper.metric('berth_sessions_ended_total{reason="max_duration"}')).toBe(50),
      );
      expect(await books.live()).toBe(0);
      const failed = /cmdstat_evalsha:.*failed_calls=(\d+)/.exec(await client.info('commandstats'))?.[1];
      expect(Number(failed)).toBeLessThan(200);
      // Once, and again only if a job that was in hand ended well in between: not once for each of the attempts.
      const logged = reaper.messages().filter((message) => message.startsWith('Expiry queue out of order'));
      expect(logged.length).toBeGreaterThanOrEqual(1);
      expect(logged.length).toBeLessThanOrEqual(3);
    } finally {
      await client.config('SET', 'maxmemory', 0);
    }
    await eventually(() => reaper.messages().includes('Expiry queue works again'));
  });

  it('starts without Redis, and recovers each time Redis comes back', async () => {
    await books.admit('waits', { maxDurationMs: 1 });
    await redis.kill();
    const reaper = await startReaper(redis.url);
    expect((await reaper.app.inject('/health/live')).statusCode).toBe(200);
    expect((await reaper.app.inject('/health/ready')).statusCode).toBe(503);
    await redis.restart();
    await allEnded(1);

    await books.admit('again', { maxDurationMs: 300 });
    await redis.kill();
    await eventually(() => reaper.messages().includes('Sweep failed; it will be tried again and again'));
    await redis.restart();
    await allEnded(2);
    await eventually(() => reaper.messages().includes('Sweeps work again'));
    // Two outages: of each kind at most a line for each.
    const lines = reaper.log.filter(({ level, message }) => level === 'error' || message === 'Sweeps work again');
    const kinds = lines.map(({ message, purpose }) => `${message} ${String(purpose)}`);
    for (const kind of kinds) expect(kinds.filter((other) => other === kind).length).toBeLessThanOrEqual(2);
    await eventually(async () => expect((await reaper.app.inject('/health/ready')).statusCode).toBe(200));
  });

  it('schedules its jobs again when Redis has lost everything', async () => {
    await startReaper(redis.url);
    await eventually(async () => expect(await client.exists('{berth}:expiry:repeat')).toBe(1));
    await client.flushall();
    await eventually(async () => expect(await client.zcard('{berth}:expiry:repeat')).toBe(1));
    await books.open();
    await books.admit('after', { maxDurationMs: 200 });
    await allEnded(1);
  });

  it('schedules the sweep again when it stands still in the far future of a replica with another clock', async () => {
    const inTenMinutes = Date.now() + 600_000;
    const reaper = await startReaper(redis.url);
    await eventually(async () => expect(await client.zcard('{berth}:expiry:repeat')).toBe(1));
    await eventually(async () => {
      const [job] = await client.zrange('{berth}:expiry:delayed', '0', '0');
      if (job === undefined) return false;
      await client.call('ZADD', '{berth}:expiry:repeat', 'XX', String(inTenMinutes), 'sweep');
      return (await client.call('ZADD', '{berth}:expiry:delayed', 'XX', 'CH', String(inTenMinutes * 4_096), job)) === 1;
    });
    const passes = () => reaper.metric('berth_sweep_duration_seconds_count{trigger="queue"}');
    const before = await passes();
    await eventually(async () => expect(await passes()).toBeGreaterThan(before + 2));
  });

  it('gives the limits to a shard that a crash left behind, and never invents them', async () => {
    const { limits } = shardKeys({ name: 'default', shards: 1 }, 0);
    await client.hset(limits, 'version', 0);
    await startReaper(redis.url);
    await eventually(async () => expect(Number(await client.hget(limits, 'version'))).toBeGreaterThan(0));
    await client.flushall();
    await eventually(async () => expect(await client.zcard('{berth}:expiry:repeat')).toBe(1));
    expect(await client.keys('berth:*limits')).toEqual([]);
  });

  it('stops in the middle of a backlog, and the next one goes on', async () => {
    await books.admitMany(BACKLOG, 0);
    await startReaper(redis.url);
    await eventually(async () => (await books.live()) < BACKLOG, { intervalMs: 1 });
    await closeApps();
    expect(await books.live()).toBeGreaterThan(0);
    await startReaper(redis.url);
    await allEnded(BACKLOG);
  });

  it('stops although Redis is silent', async () => {
    await startReaper(redis.url);
    redis.pause();
    try {
      await closeApps();
    } finally {
      redis.resume();
    }
  });

  it('stops although Redis is away', async () => {
    const reaper = await startReaper(redis.url);
    await redis.kill();
    try {
      await eventually(() => reaper.messages().filter((message) => message === 'Redis connection lost').length === 2);
      await closeApps();
    } finally {
      await redis.restart();
    }
  });
});

describeWith(['redis-server'], 'the reaper on Redis Cluster', () => {
  let cluster: RedisCluster;

  beforeAll(async () => {
    cluster = await startRedisCluster();
  });

  afterAll(async () => {
    await cluster?.stop();
  });

  afterEach(closeApps);

  it('sweeps every shard on every master, with the queue in one slot', async () => {
    const books = await new TestBooks(cluster.client(), { name: 'default', shards: 7 }).open();
    await Promise.all([startReaper(cluster.url, { shards: 7 }), startReaper(cluster.url, { shards: 7 })]);
    await books.admitMany(300, 500);
    await eventually(async () => expect(await books.live()).toBe(0));
    const ended = await books.ended();
    expect(new Set(ended.map(({ sessionId }) => sessionId)).size).toBe(300);
    expect(ended).toHaveLength(300);
    const perNode = await Promise.all(cluster.nodes.map((node) => queueKeys(node.redis)));
    expect(perNode.filter((keys) => keys.length > 0)).toHaveLength(1);
  });
});
