import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS } from '#basics';
import { tenantKeys } from './keys.js';
import { NodesStore } from './nodes-store.js';
import { Pulses } from './pulses.js';
import { heartbeat } from './scripts/heartbeat.script.js';
import { enterNode, loseNode } from './scripts/node-run.script.js';
import { admitted, keys, request, streamOf, tenant, useBooks } from '../test/fixture.js';
import { BEAT_MS, LEASE_MS, POLICY } from '../test/snapshot.fixture.js';

const STALE_MS = 5_000;
const EPOCH = 1_763_700_000_000;

const books = useBooks();
let nodes: NodesStore;
let pulses: Pulses;

beforeEach(async () => {
  const common = { client: books.redis, clockMs: () => books.clock.nowMs };
  nodes = new NodesStore({ ...common, deadlineMs: 60_000, tombstoneMs: 60_000, policy: POLICY });
  pulses = new Pulses({ ...common, staleAfterMs: STALE_MS, graceMs: LEASE_MS, steadyMs: () => books.clock.nowMs });
  await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
});

const beat = async (node: string, epoch = EPOCH) => await nodes.beat(tenant, { node, epoch, via: 'http' });

/** Lets time pass as in life: a pass and a pulse each second, and beats of the nodes that live. */
async function live(ms: number, beating: string[] = [], epoch = EPOCH) {
  const lost: string[] = [];
  for (let passed = 0; passed < ms; passed += 1_000) {
    books.clock.advance(1_000);
    await pulses.beat(tenant);
    await pulses.open(tenant);
    if (passed % BEAT_MS === 0) for (const node of beating) await beat(node, epoch);
    lost.push(...(await nodes.watch(tenant)).losing.map(({ node }) => node));
  }
  return lost;
}

async function drainAll() {
  const ended = [];
  for (;;) {
    const drain = await nodes.drain(tenant, 0, 25);
    ended.push(...drain.ended);
    if (drain.runsLeft === 0) return ended;
  }
}

describe('a beat', () => {
  it('answers the mark and wants a snapshot until one has come', async () => {
    expect(await beat('b2bua-1')).toMatchObject({ kind: 'beat', mark: books.clock.nowMs, snapshotWanted: true });
    expect(await beat('b2bua-1')).toMatchObject({ snapshotWanted: true });
    expect((await nodes.list(tenant)).nodes).toMatchObject([
      {
        node: 'b2bua-1',
        epoch: EPOCH,
        state: 'live',
        lastBeatMs: books.clock.nowMs,
        via: 'http',
        claimedSessions: null,
      },
    ]);
  });

  it('of an older epoch is refused with the present one', async () => {
    await beat('b2bua-1', EPOCH + 1);
    expect(await beat('b2bua-1', EPOCH)).toEqual({ kind: 'stale', currentEpoch: EPOCH + 1 });
  });

  it('of a new epoch ends what the old run held, and only that', async () => {
    await beat('b2bua-1');
    await beat('b2bua-2');
    await admitted(books.store, request('old', { node: 'b2bua-1' }));
    await admitted(books.store, request('other', { node: 'b2bua-2' }));
    await beat('b2bua-1', EPOCH + 1);
    await admitted(books.store, request('new', { node: 'b2bua-1', epoch: EPOCH + 1 }));
    expect((await drainAll()).map(({ id, endReason }) => [id, endReason])).toEqual([['old', 'node_restarted']]);
    expect(await books.redis.zrange(keys.deadlines, '0', '-1')).toEqual(['new', 'other']);
    expect(await books.redis.exists(keys.commands('b2bua-1'))).toBe(0);
    expect(await books.redis.exists(keys.departed)).toBe(0);
  });

  it('costs the same commands whatever number of sessions the node holds', async () => {
    await beat('b2bua-1');
    const cost = async () => {
      await books.redis.config('RESETSTAT');
      await beat('b2bua-1');
      return [...(await books.redis.info('commandstats')).matchAll(/cmdstat_(\w+):calls=(\d+)/g)]
        .filter(([, name]) => name !== 'info' && name !== 'config|resetstat')
        .map(([, name, calls]) => [name, calls]);
    };
    const empty = await cost();
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    for (let i = 0; i < 500; i += 1) await admitted(books.store, request(`call-${i}`));
    expect(await cost()).toEqual(empty);
  });

  it('of an older run is refused once a newer one has admitted', async () => {
    await beat('b2bua-1', EPOCH);
    await admitted(books.store, request('new', { epoch: EPOCH + 5 }));
    await books.redis.hset(tenantKeys('default').node('b2bua-1'), 'snapshot_wanted', '1');
    expect(await beat('b2bua-1', EPOCH)).toEqual({ kind: 'stale', currentEpoch: EPOCH + 5 });
    expect(await beat('b2bua-1', EPOCH)).toEqual({ kind: 'stale', currentEpoch: EPOCH + 5 });
    expect(await live(2 * LEASE_MS)).toContain('b2bua-1');
  });

  it('handles a hostile node name like any other', async () => {
    for (const node of ['a:b', 'x:123', 'n/%?"', 'allowed:nodes', '__proto__', 'ü'.repeat(64)]) {
      await beat(node);
      await admitted(books.store, request(`call of ${node}`, { node, user: node }));
      await beat(node, EPOCH + 1);
      expect((await drainAll()).map(({ id }) => id)).toEqual([`call of ${node}`]);
    }
  });
});

describe('a node that falls silent', () => {
  it('is lost after its lease, not before, and its places are free', async () => {
    await beat('b2bua-1');
    await live(BEAT_MS, ['b2bua-1']);
    await admitted(books.store, request('call'));
    expect(await live(LEASE_MS - 5_000)).toEqual([]);
    expect(await live(7_000)).toEqual(['b2bua-1']);
    expect((await drainAll()).map(({ id, endReason }) => [id, endReason])).toEqual([['call', 'node_lost']]);
    expect(await books.redis.exists(keys.deadlines)).toBe(0);
    expect((await nodes.list(tenant)).nodes).toMatchObject([{ node: 'b2bua-1', state: 'lost' }]);
    const events = await streamOf(books.redis, keys.events);
    expect(events.map(({ type }) => type)).toEqual(['session.admitted', 'node.lost', 'session.ended']);
  });

  it('gets no new session admitted, confirmed, or left stranded', async () => {
    await beat('b2bua-1');
    await admitted(books.store, request('ringing', { state: 'reserved' }));
    await live(2 * LEASE_MS);
    const { decision } = await books.store.admit(tenant, request('late'));
    expect(decision).toEqual({ kind: 'stale-epoch', currentEpoch: EPOCH });
    expect((await books.store.confirm(tenant, { sessionId: 'ringing' })).kind).toBe('unknown');
    await drainAll();
    expect(await books.redis.exists(keys.deadlines)).toBe(0);
  });

  it('frees the places of a full user for others before they are drained', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await beat('b2bua-1');
    await beat('b2bua-2');
    await admitted(books.store, request('lost'));
    await live(2 * LEASE_MS, ['b2bua-2']);
    await admitted(books.store, request('next', { node: 'b2bua-2' }));
    expect(await books.store.get(tenant, { sessionId: 'lost' })).toMatchObject({
      kind: 'ended',
      session: { endReason: 'node_lost' },
    });
  });

  it('is not lost by a stall that is shorter than its lease', async () => {
    await beat('b2bua-1');
    await live(BEAT_MS, ['b2bua-1']);
    expect(await live(9_000)).toEqual([]);
    expect(await live(20_000, ['b2bua-1'])).toEqual([]);
  });

  it('that never beat is not watched', async () => {
    await admitted(books.store, request('call', { node: 'silent' }));
    expect(await live(60_000)).toEqual([]);
    expect(await books.redis.zcard(keys.deadlines)).toBe(1);
  });

  it('is forgotten a day later, with all that was kept of it', async () => {
    await beat('b2bua-1');
    await admitted(books.store, request('call'));
    await live(2 * LEASE_MS);
    await drainAll();
    books.clock.advance(DAY_MS + 1_000);
    await nodes.watch(tenant);
    await nodes.watch(tenant);
    expect((await nodes.list(tenant)).nodes).toEqual([]);
    expect(await books.redis.exists(keys.nodes, tenantKeys('default').node('b2bua-1'))).toBe(0);
  });
});

describe('a node that returns with the same epoch', () => {
  /** It was lost while it held a call, which has ended, and beats again. */
  const returned = async () => {
    await beat('b2bua-1');
    await admitted(books.store, request('call'));
    await live(2 * LEASE_MS);
    await drainAll();
    await beat('b2bua-1');
  };

  it('is admitted for again, and what was not drained yet goes on', async () => {
    await beat('b2bua-1');
    await admitted(books.store, request('call'));
    await live(2 * LEASE_MS);
    expect(await beat('b2bua-1')).toMatchObject({ kind: 'beat', snapshotWanted: true });
    expect(await drainAll()).toEqual([]);
    await admitted(books.store, request('another'));
    expect(await books.redis.zcard(keys.deadlines)).toBe(2);
    expect((await streamOf(books.redis, keys.events)).map(({ type }) => type)).toContain('node.returned');
  });

  it('is told of a session that ended meanwhile that it is unknown, so that it keeps the call', async () => {
    await returned();
    expect((await books.store.renew(tenant, { sessionId: 'call' })).kind).toBe('unknown');
    expect((await books.store.confirm(tenant, { sessionId: 'call' })).kind).toBe('unknown');
    await admitted(books.store, request('call'));
    expect((await books.store.renew(tenant, { sessionId: 'call' })).kind).toBe('live');
  });

  it('has really ended what it says has ended', async () => {
    await returned();
    await books.store.end(tenant, { sessionId: 'call' }, { reason: 'completed', by: 'node' });
    expect((await books.store.renew(tenant, { sessionId: 'call' })).kind).toBe('ended');
    expect((await books.store.admit(tenant, request('call'))).decision.kind).toBe('ended');
  });

  it('is put into force again where a shard has forgotten that it returned', async () => {
    await beat('b2bua-1');
    await books.redis.hset(keys.nodes, 'b2bua-1', `${EPOCH} 7 lost`);
    expect((await books.store.admit(tenant, request('refused'))).decision.kind).toBe('stale-epoch');
    await beat('b2bua-1');
    await admitted(books.store, request('call'));
  });

  it('is lost although a shard knows a later change of it than the tenant', async () => {
    await beat('b2bua-1');
    await books.redis.hset(keys.nodes, 'b2bua-1', `${EPOCH} 9`);
    await books.redis.hset(
      tenantKeys('default').node('b2bua-1'),
      'snapshot_wanted',
      '0',
      'snapshot_at',
      books.clock.nowMs,
    );
    await live(2 * LEASE_MS);
    expect(await books.redis.hget(keys.nodes, 'b2bua-1')).toBe(`${EPOCH} 10 lost`);
    expect(await books.redis.exists(tenantKeys('default').losing)).toBe(0);
    await beat('b2bua-1');
    await admitted(books.store, request('call'));
  });

  it('is lost although the process that put it into force died before the beat counted', async () => {
    await beat('b2bua-1');
    await live(2 * LEASE_MS);
    const context = { client: books.redis, tenant: 'default', clockMs: () => books.clock.nowMs };
    const said = { node: 'b2bua-1', epoch: EPOCH, via: 'http' } as const;
    const reply = await heartbeat(context, said, { entered: null, snapshotIntervalMs: 60_000 });
    if (reply.kind !== 'enter') throw new Error(`the beat was answered with ${reply.kind}`);
    await enterNode({ ...context, shards: 1, shard: 0 }, { ...said, change: reply.change }, true);
    await admitted(books.store, request('call'));
    expect(await live(2 * LEASE_MS)).toContain('b2bua-1');
    expect((await drainAll()).map(({ id }) => id)).toEqual(['call']);
  });

  it('is not lost again by a loss that reaches a shard late', async () => {
    const context = { client: books.redis, tenant: 'default', shards: 1, shard: 0, clockMs: () => books.clock.nowMs };
    await beat('b2bua-1');
    await live(2 * LEASE_MS);
    await beat('b2bua-1');
    expect(await loseNode(context, { node: 'b2bua-1', epoch: EPOCH, change: 1 }, true)).toMatchObject({ kind: 'kept' });
    expect(await enterNode(context, { node: 'b2bua-1', epoch: EPOCH, change: 0 }, true)).toMatchObject({
      kind: 'kept',
    });
    await admitted(books.store, request('call'));
  });
});

describe('a blip', () => {
  it.each([
    ['the store away for 30 s', 30_000],
    ['the store away for 10 min', 600_000],
  ])('%s loses no node', async (_, ms) => {
    await beat('b2bua-1');
    await live(BEAT_MS, ['b2bua-1']);
    await admitted(
      books.store,
      request('call', { policy: { idleMs: 20_000, maxDurationMs: DAY_MS, reservationMs: 0 } }),
    );
    books.clock.advance(ms);
    await nodes.watch(tenant);
    await pulses.beat(tenant);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
    expect(await live(LEASE_MS - 2_000)).toEqual([]);
    await beat('b2bua-1');
    expect(await live(LEASE_MS, ['b2bua-1'])).toEqual([]);
    expect(await drainAll()).toEqual([]);
  });

  it.each([
    [30_000, 'each second', 1_000],
    [20_000, 'rarely', 4_000],
  ])('every gateway away for %d ms loses no node, although the reaper looks %s', async (awayMs, _, everyMs) => {
    await beat('b2bua-1');
    await live(BEAT_MS, ['b2bua-1']);
    for (let passed = 0; passed < awayMs; passed += everyMs) {
      books.clock.advance(everyMs);
      expect((await nodes.watch(tenant)).losing).toEqual([]);
    }
    expect(await live(LEASE_MS - 2_000)).toEqual([]);
  });

  it('a clock that steps back an hour loses no node, nor keeps a dead one for an hour', async () => {
    await beat('b2bua-1');
    await live(BEAT_MS, ['b2bua-1']);
    books.clock.advance(-3_600_000);
    expect(await live(LEASE_MS - 2_000)).toEqual([]);
    expect(await live(5_000)).toEqual(['b2bua-1']);
  });

  it('of a node whose beats come through the inbox waits for what the inbox has not shown yet', async () => {
    await nodes.beat(tenant, { node: 'b2bua-1', epoch: EPOCH, via: 'inbox' });
    await live(5_000);
    for (let second = 0; second < 30; second += 1) {
      books.clock.advance(1_000);
      await pulses.open(tenant);
      expect((await nodes.watch(tenant, 40_000)).losing).toEqual([]);
    }
    expect((await nodes.watch(tenant, 0)).losing).toHaveLength(1);
  });
});

describe('the fuse on nodes', () => {
  const fleet = ['n1', 'n2', 'n3', 'n4', 'n5'];

  async function beatAndHold(node: string) {
    await beat(node);
    await admitted(books.store, request(`call of ${node}`, { node, user: node }));
  }

  it('stops before the first is lost when more than half fall silent together', async () => {
    for (const node of fleet) {
      await beatAndHold(node);
      books.clock.advance(700);
    }
    await live(BEAT_MS, fleet);
    expect(await live(40_000, ['n1', 'n2'])).toEqual([]);
    const [fuse] = await nodes.fuses(tenant);
    expect(fuse).toMatchObject({ id: 'nodes', kind: 'nodes', silent: 3, live: 5, allowedUntil: null });
    await live(LEASE_MS, fleet);
    expect(await nodes.fuses(tenant)).toEqual([]);
  });

  it('says once that it has tripped', async () => {
    for (const node of fleet) await beatAndHold(node);
    await live(BEAT_MS, fleet);
    const said = [];
    for (let second = 0; second < 40; second += 1) {
      books.clock.advance(1_000);
      await pulses.open(tenant);
      said.push((await nodes.watch(tenant)).fuse);
    }
    expect(said.filter((state) => state === 'just-tripped')).toHaveLength(1);
    expect(said.at(-1)).toBe('tripped');
    const told = (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'fuse.tripped');
    expect(told).toMatchObject([{ fuse: 'nodes', live: '5', silent: '5' }]);
  });

  it('lets a minority be lost', async () => {
    for (const node of fleet) await beatAndHold(node);
    await live(BEAT_MS, fleet);
    expect(await live(30_000, ['n1', 'n2', 'n3'])).toEqual(expect.arrayContaining(['n4', 'n5']));
  });

  it('goes through when an operator lets it', async () => {
    for (const node of fleet) await beatAndHold(node);
    await live(BEAT_MS, fleet);
    await live(40_000);
    expect(await nodes.allow(tenant, 'nodes')).toBe(true);
    expect((await live(2_000)).toSorted()).toEqual(fleet);
    expect(await nodes.allow(tenant, 'unknown')).toBe(false);
  });

  it('is not there for three nodes', async () => {
    const three = fleet.slice(0, 3);
    for (const node of three) await beatAndHold(node);
    await live(BEAT_MS, three);
    expect((await live(30_000)).toSorted()).toEqual(three);
  });
});
