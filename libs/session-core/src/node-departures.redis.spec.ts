import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS } from '#basics';
import { shardKeys, shardNumbers, shardOf, tenantKeys, type TenantRef } from './keys.js';
import type { AdmissionRequest } from './model/decision.js';
import { heartbeat } from './scripts/heartbeat.script.js';
import { closeRun, enterNode, loseNode } from './scripts/node-run.script.js';
import { allShardScripts } from './scripts/script.js';
import { leaveNode } from './scripts/watch-nodes.script.js';
import { keys, request, sessionKeys, streamOf, tenant, useBooks } from '../test/fixture.js';
import { BEAT_MS, entry, LEASE_MS, Reconciling } from '../test/snapshot.fixture.js';

const NODE = 'b2bua-1';
const four: TenantRef = { name: 'acme', shards: 4 };
const USERS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];

const books = useBooks();
let r: Reconciling;

beforeEach(async () => {
  r = new Reconciling(books);
  for (const one of [tenant, four]) await books.store.limits.change(one, () => ({ maxSessionsPerUser: 0 }));
});

const beat = async (epoch: number, node: string = NODE) => await r.nodes.beat(tenant, { node, epoch, via: 'http' });
const leave = async (epoch: number, node: string = NODE) => await r.nodes.departures.leave(tenant, { node, epoch });
const admit = async (id: string, epoch: number | null, changes: Partial<AdmissionRequest> = {}) =>
  (await books.store.admit(tenant, request(id, { node: NODE, epoch, ...changes }))).decision;
const context = () => ({
  client: books.redis,
  tenant: 'default',
  shards: 1,
  shard: 0,
  clockMs: () => books.clock.nowMs,
});

const LEFT = { kind: 'left' };
const REFUSED = (currentEpoch: number) => ({ kind: 'stale-epoch', currentEpoch });

async function drained(of: TenantRef = tenant): Promise<string[]> {
  const ids: string[] = [];
  for (const shard of shardNumbers(of)) {
    for await (const { id } of r.nodes.drained(of, shard)) ids.push(id);
  }
  return ids.toSorted();
}

async function stillLive(of: TenantRef = tenant): Promise<string[]> {
  const shards = shardNumbers(of).map((shard) => books.redis.zrange(shardKeys(of, shard).deadlines, '0', '-1'));
  return (await Promise.all(shards)).flat().toSorted();
}

async function endings(of: TenantRef = tenant): Promise<Record<string, string>> {
  const outboxes = shardNumbers(of).map((shard) => streamOf(books.redis, shardKeys(of, shard).events));
  const ended = (await Promise.all(outboxes)).flat().filter(({ type }) => type === 'session.ended');
  return Object.fromEntries(ended.map(({ sessionId = '', reason = '' }) => [sessionId, reason]));
}

describe('a node that leaves', () => {
  it('ends what it holds as completed, is listed no more, and leaves nothing but which run has left', async () => {
    await beat(5, 'other');
    await beat(100);
    await admit('c1', 100);
    await admit('c2', 100, { state: 'reserved' });
    await admit('c3', 5, { node: 'other' });
    expect(await leave(100)).toEqual(LEFT);
    expect(await drained()).toEqual(['c1', 'c2']);
    expect(await stillLive()).toEqual(['c3']);
    const ended = (await streamOf(books.redis, keys.events))
      .filter(({ type }) => type !== 'session.admitted')
      .slice(-2);
    for (const event of ended) {
      expect(event).toMatchObject({ type: 'session.ended', reason: 'completed', note: 'its node has left' });
    }
    expect(await books.redis.pttl(keys.session('c1'))).toBeLessThanOrEqual(60_000);
    expect((await r.nodes.list(tenant)).nodes.map(({ node }) => node)).toEqual(['other']);
    expect(await r.nodes.counts(tenant)).toEqual({ live: 1, lost: 0, contested: 0, draining: 0 });
    const { node, leftNodes } = tenantKeys('default');
    expect(await books.redis.hkeys(node(NODE))).toEqual(['epoch', 'state', 'beaten', 'since']);
    expect(await books.redis.zscore(leftNodes, NODE)).toBe(`${books.clock.nowMs}`);
    expect((await sessionKeys(books.redis)).filter((key) => key.includes(NODE))).toEqual([node(NODE)]);
  });

  it('has its places given to others before they are drained', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await beat(100);
    await admit('c1', 100);
    await leave(100);
    expect(await admit('c2', 5, { node: 'other' })).toMatchObject({ kind: 'admitted' });
    expect(await books.store.get(tenant, { sessionId: 'c1' })).toMatchObject({
      kind: 'ended',
      session: { endReason: 'completed', note: 'its node has left' },
    });
  });

  it('may leave again and again, also under a name that is not known', async () => {
    await beat(100);
    await admit('c1', 100);
    for (let i = 0; i < 2; i += 1) expect(await leave(100)).toEqual(LEFT);
    expect(await drained()).toEqual(['c1']);
    expect(await leave(100)).toEqual(LEFT);
    expect(await drained()).toEqual([]);
    expect(await leave(7, 'unknown')).toEqual(LEFT);
    expect((await r.nodes.list(tenant)).total).toBe(0);
  });

  it('is refused where a newer run is present, by its beat or by a session of it, and that run stays', async () => {
    await beat(100);
    expect(await leave(99)).toEqual({ kind: 'stale', currentEpoch: 100 });
    await admit('c2', 200);
    expect(await leave(100)).toEqual({ kind: 'stale', currentEpoch: 200 });
    await r.pass(1_000);
    expect(await stillLive()).toEqual(['c2']);
    expect((await r.nodes.list(tenant)).nodes).toMatchObject([{ node: NODE, epoch: 200, state: 'live' }]);
  });

  it('is refused with an epoch of the future, and is not with one that is known', async () => {
    const epoch = books.clock.nowMs;
    await beat(epoch);
    await admit('c1', epoch);
    await expect(leave(epoch + 900_000)).rejects.toMatchObject({ code: 'invalid-request', path: 'epoch' });
    expect(await stillLive()).toEqual(['c1']);
    books.clock.advance(-3_600_000);
    await books.redis.del(tenantKeys('default').node(NODE));
    expect(await leave(epoch)).toEqual(LEFT);
    expect(await drained()).toEqual(['c1']);
  });

  it('takes along what its older runs and sessions without a run held, lost ones and such as still drain included', async () => {
    await admit('unwatched', null);
    await beat(100);
    await admit('c1', 100);
    await beat(200);
    await admit('c2', 200);
    await r.nodes.watch(tenant);
    expect(await leave(300)).toEqual(LEFT);
    await drained();
    expect(await endings()).toEqual({ unwatched: 'completed', c1: 'node_restarted', c2: 'node_restarted' });
    await beat(1, 'lost');
    for (const id of ['d1', 'd2']) await admit(id, 1, { node: 'lost' });
    for (let passed = 0; passed < 2 * LEASE_MS; passed += 1_000) {
      books.clock.advance(1_000);
      await r.pulses.open(tenant);
      await r.nodes.watch(tenant);
    }
    await r.nodes.drain(tenant, 0, 1);
    expect(await leave(1, 'lost')).toEqual(LEFT);
    await drained();
    expect(Object.values(await endings()).toSorted()).toEqual([
      'completed',
      'completed',
      'node_lost',
      'node_restarted',
      'node_restarted',
    ]);
    expect((await r.nodes.list(tenant)).total).toBe(0);
    expect(await books.redis.exists(tenantKeys('default').losing, keys.departed)).toBe(0);
  });

  it('has nothing more to hang up, whatever Berth ended before it left or before it was drained', async () => {
    await beat(100);
    for (const id of ['c1', 'c2', 'c3']) await admit(id, 100);
    const kill = async (sessionId: string) =>
      await books.store.end(tenant, { sessionId }, { reason: 'killed', by: 'berth' });
    await kill('c1');
    await leave(100);
    expect(await books.redis.exists(keys.commands(NODE), keys.commanded)).toBe(0);
    await kill('c2');
    expect(await drained()).toEqual(['c3']);
    expect(await books.redis.exists(keys.commands(NODE), keys.commanded)).toBe(0);
  });

  it('keeps the commands of a run that has begun anew meanwhile', async () => {
    await beat(100);
    await admit('c1', 100);
    await leave(100);
    await beat(200);
    await admit('c2', 200);
    await books.store.end(tenant, { sessionId: 'c2' }, { reason: 'killed', by: 'berth' });
    expect(await drained()).toEqual(['c1']);
    expect(await books.redis.hkeys(keys.commands(NODE))).toEqual(['c2']);
  });

  it('of many sessions is drained in bounded pieces, side by side with a reaper, each session once', async () => {
    await beat(100);
    const calls = Array.from({ length: 510 }, (_, i) => `call-${i}`);
    await Promise.all(calls.map((id) => admit(id, 100)));
    await leave(100);
    const first = await r.nodes.drain(tenant, 0, 25);
    expect([...first.ended]).toHaveLength(25);
    const both = await Promise.all([drained(), drained()]);
    expect(both.flat()).toHaveLength(485);
    expect((await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'session.ended')).toHaveLength(510);
  });

  it('is left, with all that it holds, when memory is full', async () => {
    await beat(100);
    await admit('c1', 100);
    await books.redis.config('SET', 'maxmemory', '1mb');
    try {
      expect(await leave(100)).toEqual(LEFT);
      expect(await drained()).toEqual(['c1']);
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
  });

  it('leaves no mark in the shards where an operator forgets it while it leaves, and no session', async () => {
    await beat(100);
    for (const id of ['c1', 'c2']) await admit(id, 100);
    await leaveNode(context(), { node: NODE, epoch: 100 }, false);
    await r.nodes.forget(tenant, NODE, 'ops');
    await r.nodes.departures.close(tenant, { node: NODE, epoch: 100, beaten: true });
    expect(await drained()).toEqual(['c1', 'c2']);
    expect(await books.redis.exists(keys.nodes, keys.departed, tenantKeys('default').leftNodes)).toBe(0);
    expect(await beat(5)).toMatchObject({ kind: 'beat' });
  });

  it('has a hostile name like any other', async () => {
    for (const node of ['a:b', 'x:123', 'n/%?"', 'allowed:nodes', '__proto__', 'ü'.repeat(64)]) {
      await beat(5, node);
      await admit(`call of ${node}`, 5, { node, user: node });
      expect(await leave(5, node)).toEqual(LEFT);
      expect(await drained()).toEqual([`call of ${node}`]);
      expect(await beat(5, node)).toEqual({ kind: 'stale', currentEpoch: 5 });
    }
  });
});

describe('what is late of a run that has left', () => {
  beforeEach(async () => {
    await beat(100);
    await admit('c1', 100);
    await admit('elsewhere', 5, { node: 'other' });
  });

  it.each([
    ['a beat', async () => expect(await beat(100)).toEqual({ kind: 'stale', currentEpoch: 100 })],
    ['a beat of an older run', async () => expect(await beat(99)).toEqual({ kind: 'stale', currentEpoch: 100 })],
    [
      'a published beat',
      async () => {
        const late = { node: NODE, epoch: 100, via: 'inbox', atMs: books.clock.nowMs } as const;
        expect(await r.nodes.beat(tenant, late)).toEqual({ kind: 'stale', currentEpoch: 100 });
      },
    ],
    ['an admission', async () => expect(await admit('late', 100)).toEqual(REFUSED(100))],
    ['an admission that names no run', async () => expect(await admit('late', null)).toEqual(REFUSED(100))],
    ['a repeated admission', async () => expect(await admit('c1', 100)).toMatchObject({ kind: 'ended' })],
    [
      'a published start',
      async () => expect(await books.store.started(tenant, request('late', { epoch: 100 }))).toEqual(REFUSED(100)),
    ],
    [
      'a transfer to it',
      async () => {
        for (const epoch of [100, null]) {
          const to = { node: NODE, epoch };
          const outcome = await books.store.transfers.transfer(tenant, { sessionId: 'elsewhere' }, to);
          expect(outcome).toEqual(REFUSED(100));
        }
      },
    ],
    [
      'a list',
      async () => {
        const list = { node: NODE, epoch: 100, mark: books.clock.nowMs, sessions: [entry('c1'), entry('c9')] };
        expect(await r.part(list)).toEqual({ kind: 'stale-epoch', currentEpoch: 100 });
      },
    ],
  ])('%s does not bring it back', async (_, come) => {
    await leave(100);
    await drained();
    await come();
    await r.pass(2_000);
    expect(await stillLive()).toEqual(['elsewhere']);
    expect((await r.nodes.list(tenant)).total).toBe(0);
    expect(await books.redis.exists(tenantKeys('default').heartbeats)).toBe(0);
  });

  it('is refused as well while the node is not drained yet', async () => {
    await leave(100);
    expect(await admit('c1', 100)).toEqual(REFUSED(100));
    expect((await books.store.confirm(tenant, { sessionId: 'c1' })).kind).toBe('ended');
    expect((await admit('late', 100)).kind).toBe('stale-epoch');
    expect(await drained()).toEqual(['c1']);
  });

  it('a beat that was on its way to the shards does not bring it back', async () => {
    for (const order of ['shards after', 'shards before']) {
      const run = { node: order, epoch: 9, via: 'http' } as const;
      const ask = async (entered: number | null) => await heartbeat(context(), run, { entered, snapshotIntervalMs: 0 });
      expect(await ask(null)).toEqual({ kind: 'enter', change: 0 });
      if (order === 'shards before') await enterNode(context(), { ...run, change: 0 }, true);
      await leave(9, order);
      if (order === 'shards after') await enterNode(context(), { ...run, change: 0 }, true);
      expect(await ask(0)).toMatchObject({ kind: 'stale', currentEpoch: 9 });
      expect(await admit('late', 9, { node: order })).toEqual(REFUSED(9));
    }
    expect((await r.nodes.list(tenant)).nodes.map(({ node }) => node)).toEqual([NODE]);
  });

  it('a list that was on its way to the shards does not bring it back', async () => {
    const mark = await r.beat(NODE, 100);
    books.clock.advance(1_000);
    const original = books.redis.callBuffer.bind(books.redis);
    let parts = 0;
    books.redis.callBuffer = (async (command: string, list: (string | number | Buffer)[]) => {
      const reply: unknown = await original(command, list);
      // The first script of a part is the tenant's, which takes it; then the shards adopt.
      if (parts++ === 0) await closeRun(context(), { node: NODE, epoch: 100, beaten: true });
      return reply;
    }) as typeof books.redis.callBuffer;
    const outcome = await r.part({ epoch: 100, mark, sessions: [entry('c1'), entry('c9')] });
    books.redis.callBuffer = original;
    expect(outcome).toEqual({ kind: 'stale-epoch', currentEpoch: 100 });
    await leave(100);
    await r.pass(1_000);
    expect(await stillLive()).toEqual(['elsewhere']);
  });

  it('a loss of it that is on its way to the shards changes nothing, in whichever order they come', async () => {
    const change = { node: NODE, epoch: 100, change: 1 };
    await leave(100);
    expect(await loseNode(context(), change, true)).toEqual({ kind: 'kept', epoch: 100, change: 0, over: 'left' });
    await drained();
    await beat(7, 'second');
    await admit('d1', 7, { node: 'second' });
    await loseNode(context(), { ...change, node: 'second', epoch: 7 }, true);
    await leave(7, 'second');
    await drained();
    expect(await endings()).toEqual({ c1: 'completed', d1: 'completed' });
    expect(await books.redis.exists(keys.departed, tenantKeys('default').losing)).toBe(0);
  });
});

describe('a larger epoch under a name that has left', () => {
  it.each([
    ['a beat', async () => expect(await beat(200)).toMatchObject({ kind: 'beat', snapshotWanted: true })],
    ['an admission', async () => expect(await admit('anew', 200)).toMatchObject({ kind: 'admitted' })],
  ])('begins anew, by %s, and is watched', async (_, come) => {
    await beat(100);
    await admit('c1', 100);
    await leave(100);
    await come();
    await admit('more', 200);
    await r.pass(1_000);
    expect(await endings()).toEqual({ c1: 'completed' });
    expect((await r.nodes.list(tenant)).nodes).toMatchObject([{ node: NODE, epoch: 200, state: 'live' }]);
    expect(await leave(100)).toEqual({ kind: 'stale', currentEpoch: 200 });
    await r.pass(2 * LEASE_MS);
    expect(await stillLive()).toEqual([]);
    expect(await endings()).toMatchObject({ more: 'node_lost' });
  });

  it('is any, once an operator has forgotten the name, or a day has passed', async () => {
    for (const forget of [
      async () => await r.nodes.forget(tenant, NODE, 'ops'),
      async () => {
        books.clock.advance(DAY_MS);
        await r.pass(2_000);
      },
    ]) {
      await beat(100);
      await leave(100);
      await drained();
      expect(await beat(5)).toEqual({ kind: 'stale', currentEpoch: 100 });
      await forget();
      const { node, leftNodes } = tenantKeys('default');
      expect(await books.redis.exists(node(NODE), leftNodes, keys.nodes)).toBe(0);
      expect(await beat(5)).toMatchObject({ kind: 'beat' });
      await r.nodes.forget(tenant, NODE, 'ops');
    }
  });
});

describe('a name that has never beaten', () => {
  it('ends what it holds up to this run, and is as unwatched as before', async () => {
    await admit('unwatched', null);
    for (const epoch of [5, 7, 9]) await admit(`on ${epoch}`, epoch);
    expect(await leave(7)).toEqual(LEFT);
    await drained();
    expect(await endings()).toEqual({ unwatched: 'completed', 'on 5': 'completed', 'on 7': 'completed' });
    expect(await admit('no run', null)).toMatchObject({ kind: 'admitted' });
    expect(await admit('on 10', 10)).toMatchObject({ kind: 'admitted' });
    await r.pass(2 * LEASE_MS);
    expect(await stillLive()).toEqual(['no run', 'on 10', 'on 9']);
    expect(await books.redis.exists(keys.nodes, keys.begun)).toBe(0);
    expect(await beat(7)).toEqual({ kind: 'stale', currentEpoch: 7 });
    expect(await beat(10)).toMatchObject({ kind: 'beat' });
    await r.pass(1_000);
    expect(await stillLive()).toEqual(['no run', 'on 10']);
  });

  it('ends more runs than one script looks at', async () => {
    for (let epoch = 1; epoch <= 120; epoch += 1) await admit(`on ${epoch}`, epoch);
    await leave(120);
    expect(await drained()).toHaveLength(120);
  });
});

describe('over several shards', () => {
  async function hold(): Promise<void> {
    await r.nodes.beat(four, { node: NODE, epoch: 100, via: 'http' });
    for (const user of USERS) await books.store.admit(four, request(`of ${user}`, { user, epoch: 100 }));
    expect(new Set(USERS.map((user) => shardOf(four, user))).size).toBe(4);
  }
  const inShard = (shard: number) => ({ ...context(), tenant: 'acme', shards: 4, shard });
  const run = { node: NODE, epoch: 100, beaten: true };

  it.each([0, 1, 3, 4])(
    'a process that dies when %s shards know of it leaves the rest to a reaper',
    async (informed) => {
      await hold();
      await leaveNode(inShard(0), run, false);
      for (let shard = 0; shard < informed; shard += 1) await closeRun(inShard(shard), run);
      await new Reconciling(books, four).pass(1_000);
      expect(await stillLive(four)).toEqual([]);
      expect(new Set(Object.values(await endings(four)))).toEqual(new Set(['completed']));
      expect(Number(await books.redis.zscore(tenantKeys('acme').leftNodes, NODE))).toBeGreaterThan(0);
      for (const shard of shardNumbers(four)) {
        expect(await books.redis.hget(shardKeys(four, shard).nodes, NODE)).toBe('100 0 left');
      }
    },
  );

  it.each([0, 2, 4])(
    'a process that dies when %s shards know of it, and a repetition, end everything',
    async (informed) => {
      await hold();
      await leaveNode(inShard(0), run, false);
      for (let shard = 0; shard < informed; shard += 1) await closeRun(inShard(shard), run);
      await r.nodes.drain(four, 0, 1);
      expect(await r.nodes.departures.leave(four, run)).toEqual(LEFT);
      await drained(four);
      expect(await stillLive(four)).toEqual([]);
      expect(Object.keys(await endings(four))).toHaveLength(USERS.length);
    },
  );

  it('a shard that has forgotten it learns of it once more before the name is forgotten', async () => {
    await hold();
    await r.nodes.departures.leave(four, run);
    await drained(four);
    await books.redis.hset(shardKeys(four, 2).nodes, NODE, '100');
    const of = new Reconciling(books, four);
    books.clock.advance(DAY_MS);
    await of.pass(2_000);
    expect(await books.redis.hget(shardKeys(four, 2).nodes, NODE)).toBe('100 0 left');
    books.clock.advance(DAY_MS);
    await of.pass(2_000);
    expect(await books.redis.exists(tenantKeys('acme').node(NODE), shardKeys(four, 2).nodes)).toBe(0);
  });

  it('a handover to a node in another shard goes on although the node that began it leaves', async () => {
    await r.nodes.beat(four, { node: NODE, epoch: 100, via: 'http' });
    await r.nodes.beat(four, { node: 'next', epoch: 5, via: 'http' });
    const [from, to] = ['alice', USERS.find((user) => shardOf(four, user) !== shardOf(four, 'alice'))!];
    await books.store.admit(four, request('s', { user: from, epoch: 100 }));
    const original = books.redis.callBuffer.bind(books.redis);
    books.redis.callBuffer = (async (command: string, list: (string | number | Buffer)[]) => {
      if (list[0] === allShardScripts().get('close-offer')?.sha) throw new Error('the process has died');
      return await original(command, list);
    }) as typeof books.redis.callBuffer;
    const target = { node: 'next', epoch: 5, user: to };
    await expect(books.store.transfers.transfer(four, { sessionId: 's', user: from }, target)).rejects.toThrow('died');
    books.redis.callBuffer = original;
    expect(await stillLive(four)).toEqual(['s', 's']);
    await r.nodes.departures.leave(four, run);
    await drained(four);
    books.clock.advance(60_000);
    await books.store.transfers.repair(four, shardOf(four, from), 10);
    expect(await stillLive(four)).toEqual(['s']);
    expect(await books.store.get(four, { sessionId: 's', user: to })).toMatchObject({
      kind: 'live',
      session: { node: 'next', user: to },
    });
  });
});

describe('the fuse on nodes', () => {
  const pods = Array.from({ length: 12 }, (_, i) => `pod-${i}`);

  beforeEach(async () => {
    for (const node of pods) {
      await beat(1, node);
      await admit(`call of ${node}`, 1, { node });
    }
  });

  async function living(ms: number, nodes: string[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += BEAT_MS) {
      for (const node of nodes) await beat(1, node);
      await r.pass(BEAT_MS);
    }
  }

  it('counts none that have left: ten of twelve leave together, and nothing trips', async () => {
    const stays = pods.slice(10);
    await Promise.all(pods.slice(0, 10).map((node) => leave(1, node)));
    await living(2 * LEASE_MS, stays);
    expect(await r.nodes.fuses(tenant)).toEqual([]);
    expect(await r.nodes.counts(tenant)).toEqual({ live: 2, lost: 0, contested: 0, draining: 0 });
    expect(await stillLive()).toEqual(stays.map((node) => `call of ${node}`));
    expect(new Set(Object.values(await endings()))).toEqual(new Set(['completed']));
  });

  it('lets the few be lost that are really lost while many leave', async () => {
    await Promise.all(pods.slice(0, 6).map((node) => leave(1, node)));
    await living(2 * LEASE_MS, pods.slice(8));
    expect(await r.nodes.fuses(tenant)).toEqual([]);
    const ended = await endings();
    expect(pods.map((node) => ended[`call of ${node}`] ?? 'live')).toEqual([
      ...Array<string>(6).fill('completed'),
      'node_lost',
      'node_lost',
      ...Array<string>(4).fill('live'),
    ]);
  });

  it('trips for those that are silent among those that are left, and mends when they leave', async () => {
    await Promise.all(pods.slice(0, 6).map((node) => leave(1, node)));
    const stays = pods.slice(10);
    await living(2 * LEASE_MS, stays);
    expect(await r.nodes.fuses(tenant)).toMatchObject([{ id: 'nodes', live: 6, silent: 4 }]);
    expect(await stillLive()).toHaveLength(6);
    await Promise.all(pods.slice(6, 10).map((node) => leave(1, node)));
    await living(BEAT_MS, stays);
    expect(await r.nodes.fuses(tenant)).toEqual([]);
    expect(new Set(Object.values(await endings()))).toEqual(new Set(['completed']));
    expect(await stillLive()).toEqual(stays.map((node) => `call of ${node}`));
  });
});
