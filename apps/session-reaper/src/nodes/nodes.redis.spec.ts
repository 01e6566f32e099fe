import { afterEach, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { loadConfig, type BerthConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { NodesStore, Pulses, type NodePolicy } from '#session-core';
import { describeWith, eventually, type RedisServer } from '#testing';

import { TestBooks, onTestBooks } from '../books.fixture.js';
import { AppModule } from '../app.module.js';

const TENANT = { name: 'default', shards: 1 };
const LEASE_MS = 1_500;

describeWith(['redis-server'], 'the reaper and nodes', () => {
  let redis: RedisServer;
  let client: Redis;
  let books: TestBooks;
  let nodes: NodesStore;
  let config: BerthConfig;
  const closing: (() => Promise<void> | void)[] = [];

  onTestBooks((suite) => {
    ({ books, client, redis } = suite);
    const loaded = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
    const policy: NodePolicy = { ...loaded.nodes, leaseMs: LEASE_MS };
    config = { ...loaded, nodes: policy, reaper: { sweepIntervalMs: 200 } };
    nodes = new NodesStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000, policy });
  });

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function startReaper(ofReaper: BerthConfig = config) {
    const log: { message: string; [field: string]: unknown }[] = [];
    const logger = createLogger(ofReaper, 'session-reaper', { write: (line) => log.push(JSON.parse(line) as never) });
    const app = await createApp(AppModule, { config: ofReaper, logger });
    closing.push(() => app.close());
    const metric = async (line: string) => {
      const { payload } = await app.inject('/metrics');
      const found = payload.split('\n').find((candidate) => candidate.startsWith(`${line} `));
      return Number(found?.slice(line.length) ?? 0);
    };
    return { log, metric };
  }

  /** A node that beats until it is stopped. */
  async function startNode(node: string, epoch = 1) {
    const beat = async () => await nodes.beat(TENANT, { node, epoch, via: 'http' });
    await beat();
    const timer = setInterval(() => void beat().catch(() => undefined), LEASE_MS / 5);
    const stop = () => clearInterval(timer);
    closing.push(stop);
    return { stop };
  }

  const reasons = async () => [...new Set((await books.ended()).map(({ reason }) => reason))];

  it('ends what a silent node held, says so, and leaves what others hold', async () => {
    const node = await startNode('b2bua-1');
    await startNode('b2bua-2');
    await books.admitMany(300, 3_600_000);
    const reaper = await startReaper();
    node.stop();
    await eventually(async () => expect(await books.live()).toBe(0));
    expect(await reasons()).toEqual(['node_lost']);
    await eventually(() => expect(reaper.log.filter(({ message }) => message.startsWith('Node lost'))).toHaveLength(1));
    await eventually(async () =>
      expect(await reaper.metric('berth_sessions_ended_total{reason="node_lost"}')).toBe(300),
    );
    expect(await client.exists('berth:{default/0}:commands:b2bua-1')).toBe(0);
  });

  it('ends what a silent node held, with CLEANUP_INTERVAL_SECONDS=300 as with the shortest', async () => {
    const node = await startNode('b2bua-1');
    await startNode('b2bua-2');
    await books.admitMany(50, 3_600_000);
    const env = { BERTH_REDIS_URL: redis.url, CLEANUP_INTERVAL_SECONDS: '300' };
    await startReaper({ ...loadConfig({ env, cwd: '/' }), nodes: config.nodes });
    node.stop();
    await eventually(async () => expect(await books.live()).toBe(0));
    expect(await reasons()).toEqual(['node_lost']);
  });

  it('ends what the old run of a restarted node held at once', async () => {
    await startNode('b2bua-1', 1);
    await books.admitMany(50, 3_600_000);
    await startReaper();
    await startNode('b2bua-1', 2);
    await eventually(async () => expect(await books.live()).toBe(0));
    expect(await reasons()).toEqual(['node_restarted']);
  });

  it('remembers what it ends for as long as the tenant says', async () => {
    const slow = { name: 'slow', shards: 1 };
    const ofTenant = { ...config.tenants.default, ...slow, tombstoneMs: 600_000 };
    await startReaper({ ...config, tenants: { ...config.tenants, slow: ofTenant } });
    const booksOfSlow = await new TestBooks(client, slow).open();
    await nodes.beat(slow, { node: 'b2bua-1', epoch: 1, via: 'http' });
    await booksOfSlow.admit('held', {});
    await nodes.beat(slow, { node: 'b2bua-1', epoch: 2, via: 'http' });
    await eventually(async () => expect((await booksOfSlow.store.get(slow, { sessionId: 'held' })).kind).toBe('ended'));
    expect(await client.pttl('berth:{slow/0}:session:held')).toBeGreaterThan(60_000);
  });

  it('loses a run that died before its first beat, with what it had been admitted', async () => {
    const node = await startNode('b2bua-1', 1);
    await startReaper();
    node.stop();
    await books.admit('by the next run', { epoch: 2 });
    await eventually(async () => expect(await client.hget('berth:{default}:node:b2bua-1', 'epoch')).toBe('2'));
    await eventually(async () => expect(await books.live()).toBe(0), { timeoutMs: 20_000 });
    expect(await reasons()).toEqual(['node_lost']);
  });

  it('loses a node that holds sessions although phantom nodes beat once, and soon forgets those', async () => {
    await startNode('h1');
    await startNode('h2');
    const victim = await startNode('b2bua-1');
    await books.admit('a call', {});
    for (const number of [0, 1, 2]) {
      await nodes.beat(TENANT, { node: `phantom-${number}`, epoch: 1, via: 'http' });
    }
    await startReaper();
    victim.stop();
    await eventually(async () => expect(await books.live()).toBe(0), { timeoutMs: 20_000 });
    expect(await nodes.fuses(TENANT)).toEqual([]);
    await eventually(
      async () => {
        const names = (await nodes.list(TENANT)).nodes.map(({ node }) => node);
        expect(names).toEqual(['b2bua-1', 'h1', 'h2']);
      },
      { timeoutMs: 30_000 },
    );
  });

  it('loses nobody while the store is away, nor when it is back, and still loses who stays silent', async () => {
    await startNode('b2bua-1');
    const silent = await startNode('b2bua-2');
    await books.admit('silent for long', { idleMs: 2_500 });
    await startReaper();
    await eventually(async () => expect(await client.hget('berth:{default}:watch', 'pass_at')).not.toBeNull());
    redis.pause();
    await new Promise((resolve) => setTimeout(resolve, 3 * LEASE_MS));
    redis.resume();
    silent.stop();
    await eventually(async () => {
      expect(await nodes.counts(TENANT)).toEqual({ live: 1, lost: 1, contested: 0, draining: 0 });
    });
    expect((await nodes.list(TENANT)).nodes.map(({ node, state }) => [node, state])).toEqual([
      ['b2bua-1', 'live'],
      ['b2bua-2', 'lost'],
    ]);
  });

  it('with several replicas loses each node once', async () => {
    const held = [await startNode('b2bua-1'), await startNode('b2bua-2')];
    await books.admitMany(200, 3_600_000);
    const reapers = [await startReaper(), await startReaper(), await startReaper()];
    for (const node of held) node.stop();
    await eventually(async () => expect(await books.live()).toBe(0));
    const ended = await books.ended();
    expect(new Set(ended.map(({ sessionId }) => sessionId)).size).toBe(ended.length);
    await eventually(async () => expect(await client.hlen('berth:{default}:losing')).toBe(0));
    const lost = await client.xrange('berth:{default/0}:events', '-', '+');
    expect(lost.filter(([, flat]) => flat.includes('node.lost'))).toHaveLength(2);
    expect(reapers).toHaveLength(3);
  });

  it('tells the other shards of a loss that a dead replica wrote to some', async () => {
    await startNode('b2bua-1');
    await client.hset('berth:{default}:losing', 'b2bua-9', '7 1');
    await startReaper();
    await eventually(async () => expect(await client.hget('berth:{default/0}:nodes', 'b2bua-9')).toBe('7 1 lost'));
    await eventually(async () => expect(await client.hlen('berth:{default}:losing')).toBe(0));
  });

  it('says that shards are up, so that others know when they were not', async () => {
    await startReaper();
    const pulses = new Pulses({ client, graceMs: LEASE_MS, staleAfterMs: LEASE_MS / 3 });
    await eventually(async () => expect(await client.hget('berth:{default/0}:pulse', 'at')).not.toBeNull());
    expect(await pulses.beat(TENANT)).toBe(0);
  });
});
