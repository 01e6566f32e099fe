import { beforeEach, describe, expect, it } from '@jest/globals';
import { HOUR_MS } from '#basics';
import { InvalidInputError } from './errors.js';
import { shardKeys, shardOf, tenantKeys } from './keys.js';
import type { AdmissionRequest } from './model/decision.js';
import type { Contest } from './model/node.js';
import { NodesStore } from './nodes-store.js';
import { keys, request, streamOf, tenant, useBooks } from '../test/fixture.js';
import { BEAT_MS, entry, EPOCH, LEASE_MS, NODE, POLICY, Reconciling } from '../test/snapshot.fixture.js';

const FUTURE = Number.MAX_SAFE_INTEGER;

const books = useBooks();
let r: Reconciling;

beforeEach(async () => {
  r = new Reconciling(books);
  await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
});

const beat = async (epoch: number, node: string = NODE) => await r.nodes.beat(tenant, { node, epoch, via: 'http' });
const admit = async (id: string, epoch: number | null, said: Partial<AdmissionRequest> = {}) =>
  (await books.store.admit(tenant, request(id, { node: NODE, epoch, ...said }))).decision;
const stillLive = async () => (await books.redis.zrange(keys.deadlines, '0', '-1')).toSorted();
const pass = async (ms: number, beating: string[] = []) => await r.pass(ms, beating);
const endings = async () =>
  Object.fromEntries(
    (await streamOf(books.redis, keys.events))
      .filter(({ type }) => type === 'session.ended')
      .map(({ sessionId, reason }) => [sessionId, reason]),
  );

it('a repeated transfer to a run that is over is refused, as the first one would be', async () => {
  const to = (epoch: number) => ({ node: NODE, epoch });
  const transfer = async (epoch: number) =>
    await books.store.transfers.transfer(tenant, { sessionId: 'c1' }, to(epoch));
  await beat(100);
  await admit('c1', 100, { node: 'other', epoch: null });
  expect(await transfer(100)).toMatchObject({ kind: 'live' });
  expect(await transfer(100)).toMatchObject({ kind: 'live' });
  await beat(200);
  expect(await transfer(100)).toEqual({ kind: 'stale-epoch', currentEpoch: 200 });
});

it('a repeated admission by a run that is over is refused, as a first one would be', async () => {
  await beat(100);
  await admit('c1', 100);
  expect(await admit('c1', 100)).toMatchObject({ kind: 'admitted', repeated: true });
  await beat(200);
  expect(await admit('c1', 100)).toEqual({ kind: 'stale-epoch', currentEpoch: 200 });
  expect(await admit('c1', 200)).toMatchObject({ kind: 'ended' });
});

describe('a run that dies before its first beat', () => {
  it('is lost after a full lease from its first admission, with all that it holds', async () => {
    await beat(100);
    await admit('c1', 100);
    await pass(BEAT_MS);
    expect(await admit('c2', 200)).toMatchObject({ kind: 'admitted' });
    await pass(LEASE_MS - 2_000);
    expect(await stillLive()).toEqual(['c2']);
    expect((await r.nodes.list(tenant)).nodes).toMatchObject([{ node: NODE, epoch: 200, state: 'live', sessions: 1 }]);
    await pass(5_000);
    expect(await endings()).toEqual({ c1: 'node_restarted', c2: 'node_lost' });
    expect(await admit('c3', 200)).toEqual({ kind: 'stale-epoch', currentEpoch: 200 });
    expect(await stillLive()).toEqual([]);
  });

  it('is watched though the gateway died right after the admission, and the old run had fallen silent long before', async () => {
    await beat(100);
    await admit('c1', 100);
    await pass(2 * LEASE_MS);
    await admit('c2', 200);
    expect(await books.redis.hget(keys.begun, NODE)).toBe(`200 ${books.clock.nowMs}`);
    await pass(2 * LEASE_MS);
    expect(await endings()).toEqual({ c1: 'node_lost', c2: 'node_lost' });
    expect(await books.redis.exists(keys.begun)).toBe(0);
  });

  it.each([
    ['by an inbox event', async (id: string) => await books.store.started(tenant, request(id, { epoch: 200 }))],
    [
      'by a transfer',
      async (id: string) => {
        await admit(id, 7, { node: 'other' });
        await books.store.transfers.transfer(tenant, { sessionId: id }, { node: NODE, epoch: 200 });
      },
    ],
  ])('is watched where its session came %s', async (_, come) => {
    await beat(100);
    await come('c2');
    await pass(LEASE_MS - 2_000);
    expect(await stillLive()).toEqual(['c2']);
    await pass(5_000);
    expect(await endings()).toEqual({ c2: 'node_lost' });
  });

  it.each([
    ['adopted', async () => await r.list([entry('c1')], { epoch: 100 })],
    [
      'adopted by a shard that has forgotten its node',
      async () => {
        const mark = await r.beat(NODE, 100);
        books.clock.advance(1_000);
        await books.redis.del(keys.nodes);
        await r.part({ epoch: 100, mark, sessions: [entry('c1')] });
      },
    ],
    [
      'restored',
      async () => {
        await admit('c1', 100);
        await pass(2 * LEASE_MS);
        expect(await stillLive()).toEqual([]);
        await r.list([entry('c1')], { epoch: 100 });
      },
    ],
  ])('ends with the loss of its run where a session was %s', async (_, come) => {
    await beat(100);
    await come();
    expect(await stillLive()).toEqual(['c1']);
    await pass(2 * LEASE_MS);
    expect(await endings()).toEqual({ c1: 'node_lost' });
  });

  it('is watched where its session came from another shard with another user', async () => {
    const four = { name: 'acme', shards: 4 };
    const across = new Reconciling(books, four);
    await books.store.limits.change(four, () => ({ maxSessionsPerUser: 0 }));
    await across.beat(NODE, 100);
    const user = ['bob', 'carol', 'dave'].find((name) => shardOf(four, name) !== shardOf(four, ''))!;
    const ssh = { policy: { idleMs: 0, maxDurationMs: 0, reservationMs: 0 } };
    await books.store.admit(four, request('c1', { user: '', epoch: 200, ...ssh }));
    expect(await books.store.transfers.authenticate(four, { sessionId: 'c1' }, user)).toMatchObject({ kind: 'live' });
    await books.store.admit(four, request('c2', { user: '', node: 'other', epoch: 7, ...ssh }));
    const to = { node: NODE, epoch: null, user };
    expect(await books.store.transfers.transfer(four, { sessionId: 'c2' }, to)).toMatchObject({
      kind: 'live',
      session: { node: NODE, epoch: 200 },
    });
    await across.pass(2 * LEASE_MS);
    expect(await books.redis.zcard(shardKeys(four, shardOf(four, user)).deadlines)).toBe(0);
  });

  it('beats, and goes on', async () => {
    await beat(100);
    await admit('c2', 200);
    await pass(BEAT_MS);
    expect(await beat(200)).toMatchObject({ kind: 'beat', snapshotWanted: true });
    for (let i = 0; i < 6; i += 1) {
      await pass(BEAT_MS);
      await beat(200);
    }
    expect(await stillLive()).toEqual(['c2']);
  });

  it('is lost once, and neither revived by what its shard still says of its beginning nor by a second look', async () => {
    await beat(100);
    await admit('c2', 200);
    const begun = await books.redis.hget(keys.begun, NODE);
    await pass(2 * LEASE_MS);
    await books.redis.hset(keys.begun, NODE, begun ?? '');
    await pass(2_000);
    expect((await r.nodes.list(tenant)).nodes).toMatchObject([{ epoch: 200, state: 'lost' }]);
    expect(await admit('c3', 200)).toMatchObject({ kind: 'stale-epoch' });
  });

  it('ends what older runs held that had admitted before the first beat', async () => {
    await admit('on 1', 1);
    await admit('on 2', 2);
    await beat(2);
    await pass(1_000);
    expect(await endings()).toEqual({ 'on 1': 'node_restarted' });
    expect(await stillLive()).toEqual(['on 2']);
    await pass(2 * LEASE_MS);
    expect(await stillLive()).toEqual([]);
  });

  it('refuses the first beat of a run that is smaller than one that has admitted, which is watched from then on', async () => {
    await admit('on 5', 5);
    expect(await beat(3)).toEqual({ kind: 'stale', currentEpoch: 5 });
    expect(await admit('on 3', 3)).toEqual({ kind: 'stale-epoch', currentEpoch: 5 });
    await pass(LEASE_MS - 2_000);
    expect(await stillLive()).toEqual(['on 5']);
    await pass(5_000);
    expect(await endings()).toEqual({ 'on 5': 'node_lost' });
  });

  it('refuses the old run, in a list too, as soon as the new one has admitted', async () => {
    await beat(100);
    const mark = books.clock.nowMs;
    await admit('c2', 200);
    expect(await r.part({ node: NODE, epoch: 100, mark, none: true })).toMatchObject({ kind: 'stale-epoch' });
    expect(await beat(100)).toEqual({ kind: 'stale', currentEpoch: 200 });
  });

  it('of four shards is watched in all, though one alone has admitted for it', async () => {
    const four = { name: 'acme', shards: 4 };
    const of = new Reconciling(books, four);
    await books.store.limits.change(four, () => ({ maxSessionsPerUser: 0 }));
    for (const user of ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']) {
      await books.store.admit(four, request(`old of ${user}`, { user, epoch: 100 }));
    }
    await of.beat(NODE, 100);
    await books.store.admit(four, request('new', { user: 'alice', epoch: 200 }));
    await of.pass(2_000);
    const live = async () => {
      const shards = [0, 1, 2, 3].map((shard) => books.redis.zrange(shardKeys(four, shard).deadlines, '0', '-1'));
      return (await Promise.all(shards)).flat();
    };
    expect(await live()).toEqual(['new']);
    await of.pass(2 * LEASE_MS);
    expect(await live()).toEqual([]);
  });

  it('of four shards is found by the first beat where a shard has a larger one than all others', async () => {
    const four = { name: 'acme', shards: 4 };
    const of = new Reconciling(books, four);
    await books.store.limits.change(four, () => ({ maxSessionsPerUser: 0 }));
    const users = ['alice', 'bob', 'carol', 'dave'].filter((user) => shardOf(four, user) !== shardOf(four, 'alice'));
    await books.store.admit(four, request('on 5', { user: 'alice', epoch: 5 }));
    await books.store.admit(four, request('on 3', { user: users[0]!, epoch: 3 }));
    const said = { node: NODE, epoch: 3, via: 'http' } as const;
    expect(await of.nodes.beat(four, said)).toEqual({ kind: 'stale', currentEpoch: 5 });
    await of.pass(1_000);
    expect(await books.redis.zcard(shardKeys(four, shardOf(four, users[0]!)).deadlines)).toBe(0);
    expect(await books.redis.zcard(shardKeys(four, shardOf(four, 'alice')).deadlines)).toBe(1);
    await of.pass(2 * LEASE_MS);
    expect(await books.redis.zcard(shardKeys(four, shardOf(four, 'alice')).deadlines)).toBe(0);
  });
});

describe('a session without an epoch', () => {
  it('joins the run that beats, and ends with it', async () => {
    await beat(100);
    expect(await admit('c1', null)).toMatchObject({ kind: 'admitted', session: { node: NODE, epoch: 100 } });
    expect(await admit('c1', null)).toMatchObject({ kind: 'admitted', repeated: true });
    await books.store.started(tenant, request('c2', { epoch: null }));
    await admit('c3', 7, { node: 'other' });
    const moved = await books.store.transfers.transfer(tenant, { sessionId: 'c3' }, { node: NODE, epoch: null });
    expect(moved).toMatchObject({ kind: 'live', changed: true, session: { epoch: 100 } });
    expect((await books.store.check(tenant, request('c4', { epoch: null }))).kind).toBe('admitted');
    expect((await books.redis.smembers(keys.nodeSessions(NODE, 100))).toSorted()).toEqual(['c1', 'c2', 'c3']);
    const [event] = await streamOf(books.redis, keys.events);
    expect(JSON.parse(event?.['session'] ?? '')).toMatchObject({ id: 'c1', epoch: 100 });
    await pass(2 * LEASE_MS);
    expect(await stillLive()).toEqual([]);
    expect(await admit('c5', null)).toEqual({ kind: 'stale-epoch', currentEpoch: 100 });
  });

  it('from before the first beat stays unwatched, and two lists that lack it end it', async () => {
    await admit('listed', null);
    await admit('gone', null);
    await beat(100);
    await pass(2 * LEASE_MS);
    await beat(200);
    await pass(BEAT_MS);
    expect(await stillLive()).toEqual(['gone', 'listed']);
    for (let list = 0; list < 2; list += 1) {
      expect(await r.list([entry('listed')], { epoch: 200 })).toMatchObject({ kind: 'complete', elsewhere: 0 });
    }
    expect(await stillLive()).toEqual(['listed']);
    expect(await endings()).toEqual({ gone: 'reconciled' });
  });
});

describe('names that never beat', () => {
  it('stay unwatched whatever epochs they send, in any order, and leave nothing', async () => {
    const epochs = [5, 3, 7, 1_700_000_000_000, 1, books.clock.nowMs];
    for (const epoch of epochs) expect((await admit(`on ${epoch}`, epoch)).kind).toBe('admitted');
    await pass(4 * LEASE_MS);
    expect(await stillLive()).toHaveLength(epochs.length);
    expect(await books.redis.zcard(keys.nodeRuns(NODE))).toBe(epochs.length);
    expect(await books.redis.exists(keys.nodes)).toBe(0);
    for (const epoch of epochs) {
      await books.store.end(tenant, { sessionId: `on ${epoch}` }, { reason: 'completed', by: 'node' });
    }
    expect(await books.redis.exists(keys.nodeRuns(NODE))).toBe(0);
  });

  it('keep a run noted whose one session is replaced by a new attempt', async () => {
    await admit('c1', 5);
    await admit('c1', 5, { attempt: 2 });
    expect(await books.redis.zrange(keys.nodeRuns(NODE), '0', '-1')).toEqual(['5']);
    expect(await beat(3)).toEqual({ kind: 'stale', currentEpoch: 5 });
  });
});

describe('an epoch of the future', () => {
  const refused = expect.objectContaining({ code: 'invalid-request', path: 'epoch' });

  it('is refused wherever it would begin a run, and harms nobody', async () => {
    await beat(EPOCH);
    await admit('c1', EPOCH);
    await admit('c2', 7, { node: 'other' });
    const run = { node: NODE, epoch: FUTURE };
    await expect(beat(FUTURE)).rejects.toEqual(refused);
    await expect(beat(FUTURE, 'new name')).rejects.toEqual(refused);
    await expect(admit('evil', FUTURE)).rejects.toEqual(refused);
    await expect(books.store.check(tenant, request('evil', { epoch: FUTURE }))).rejects.toEqual(refused);
    await expect(books.store.started(tenant, request('evil', { epoch: FUTURE }))).rejects.toEqual(refused);
    await expect(books.store.transfers.transfer(tenant, { sessionId: 'c2' }, run)).rejects.toEqual(refused);
    await pass(BEAT_MS, [NODE]);
    expect(await stillLive()).toEqual(['c1', 'c2']);
    expect(await beat(EPOCH)).toMatchObject({ kind: 'beat' });
    expect(books.store.withdrawals.pending).toBe(0);
  });

  it('is judged with a tolerance of ten minutes, and the refusal shows both clocks and names microseconds', async () => {
    const { nowMs } = books.clock;
    expect(await beat(nowMs + 600_000)).toMatchObject({ kind: 'beat' });
    const error = await beat(1_000 * nowMs, 'other').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidInputError);
    const { message } = error as Error;
    expect(message).toContain(`${1_000 * nowMs}`);
    expect(message).toContain(`${nowMs} (${new Date(nowMs).toISOString()})`);
    expect(message).toContain('microseconds');
    await expect(beat(nowMs + 600_001, 'other')).rejects.toEqual(refused);
  });

  it('of a name that never beat is admitted, and harms nobody: the first beat of a real run ends it', async () => {
    expect((await admit('evil', FUTURE)).kind).toBe('admitted');
    await admit('c0', 7, { node: 'other' });
    await books.store.transfers.transfer(tenant, { sessionId: 'c0' }, { node: NODE, epoch: FUTURE - 1 });
    await admit('c1', EPOCH);
    await expect(beat(FUTURE)).rejects.toEqual(refused);
    await pass(1_000);
    expect(await stillLive()).toEqual(['c0', 'c1', 'evil']);
    expect(await beat(EPOCH)).toMatchObject({ kind: 'beat' });
    await pass(1_000);
    expect(await endings()).toEqual({ c0: 'node_restarted', evil: 'node_restarted' });
    expect(await stillLive()).toEqual(['c1']);
    expect(await books.redis.exists(keys.nodeRuns(NODE), keys.departed)).toBe(0);
  });

  it('is one no more when its time has come: what its run admitted before stays', async () => {
    const epoch = books.clock.nowMs + 900_000;
    await admit('c1', epoch);
    await expect(beat(epoch)).rejects.toEqual(refused);
    books.clock.advance(400_000);
    expect(await beat(epoch)).toMatchObject({ kind: 'beat' });
    await pass(BEAT_MS);
    expect(await stillLive()).toEqual(['c1']);
  });

  it('is refused across shards too, and the session stays where it is', async () => {
    const four = { name: 'acme', shards: 4 };
    await new Reconciling(books, four).beat('other', 5);
    await books.store.limits.change(four, () => ({ maxSessionsPerUser: 0 }));
    await books.store.admit(four, request('c1', { user: 'alice', epoch: EPOCH }));
    const user = ['bob', 'carol', 'dave'].find((name) => shardOf(four, name) !== shardOf(four, 'alice'))!;
    const to = { node: 'other', epoch: FUTURE, user };
    await expect(books.store.transfers.transfer(four, { sessionId: 'c1' }, to)).rejects.toEqual(refused);
    expect(await books.store.get(four, { sessionId: 'c1' })).toMatchObject({
      kind: 'live',
      session: { user: 'alice' },
    });
  });

  it('is not a small one: a counter goes on being right', async () => {
    for (const epoch of [1, 2, 3]) expect(await beat(epoch)).toMatchObject({ kind: 'beat' });
    expect(await beat(2)).toEqual({ kind: 'stale', currentEpoch: 3 });
  });

  it('of a known run is no reason to refuse it: the clock of Redis back an hour ends nothing under live nodes', async () => {
    const start = books.clock.nowMs;
    await admit('before the first beat', start, { node: 'late' });
    await beat(start);
    await admit('c1', start);
    await pass(BEAT_MS, []);
    books.clock.advance(-HOUR_MS);
    for (let i = 0; i < 8; i += 1) {
      expect(await beat(start)).toMatchObject({ kind: 'beat' });
      expect(await beat(start, 'late')).toMatchObject({ kind: 'beat' });
      await pass(BEAT_MS);
    }
    expect((await admit('c2', start)).kind).toBe('admitted');
    expect((await admit('c3', start, { node: 'late' })).kind).toBe('admitted');
    expect(await stillLive()).toEqual(['before the first beat', 'c1', 'c2', 'c3']);
  });

  it('of a known run goes on although the tenant has forgotten it meanwhile', async () => {
    const start = books.clock.nowMs;
    await beat(start);
    await admit('c1', start);
    books.clock.advance(-HOUR_MS);
    await books.redis.del(tenantKeys('default').node(NODE), tenantKeys('default').heartbeats);
    expect(await beat(start)).toMatchObject({ kind: 'beat' });
    expect(await stillLive()).toEqual(['c1']);
  });
});

describe('an older run that still speaks', () => {
  let contests: Contest[];
  let nodes: NodesStore;

  beforeEach(() => {
    contests = [];
    const common = { client: books.redis, deadlineMs: 5_000, tombstoneMs: 60_000, clockMs: () => books.clock.nowMs };
    nodes = new NodesStore({ ...common, policy: POLICY, onContested: (contest) => contests.push(contest) });
  });

  it('hears stale each time, and is warned of once a minute with both runs', async () => {
    await beat(200);
    const speak = async () => await nodes.beat(tenant, { node: NODE, epoch: 100, via: 'http' });
    for (let i = 0; i < 5; i += 1) {
      expect(await speak()).toEqual({ kind: 'stale', currentEpoch: 200 });
      await nodes.refused(tenant, { node: NODE, epoch: 100 });
      books.clock.advance(5_000);
    }
    expect(contests).toEqual([{ tenant: 'default', node: NODE, epoch: 100, currentEpoch: 200 }]);
    expect(await nodes.counts(tenant)).toMatchObject({ contested: 1 });
    books.clock.advance(40_000);
    await speak();
    expect(contests).toHaveLength(2);
    await pass(61_000);
    expect(await nodes.counts(tenant)).toMatchObject({ contested: 0 });
  });

  it('is not one that was refused because it is lost, nor one whose beats the inbox shows late', async () => {
    await beat(100);
    await pass(2 * LEASE_MS);
    await nodes.refused(tenant, { node: NODE, epoch: 100 });
    const atMs = books.clock.nowMs;
    books.clock.advance(1_000);
    await beat(200);
    await nodes.beat(tenant, { node: NODE, epoch: 100, via: 'inbox', atMs });
    await nodes.refused(tenant, { node: 'unknown', epoch: 1 });
    await nodes.refused(tenant, { node: null, epoch: null });
    expect(contests).toEqual([]);
  });
});

describe('a node that an operator forgets', () => {
  it('ends what it holds, and may come back with any epoch', async () => {
    await admit('unwatched', null);
    await beat(EPOCH);
    await admit('c1', EPOCH);
    await admit('other', 5, { node: 'other' });
    expect(await r.nodes.forget(tenant, NODE, 'ops')).toBe(2);
    expect((await r.nodes.list(tenant)).nodes).toEqual([]);
    expect(await beat(5)).toMatchObject({ kind: 'beat' });
    await admit('c2', 5);
    await pass(1_000);
    expect(await endings()).toEqual({ c1: 'killed', unwatched: 'killed' });
    expect(await stillLive()).toEqual(['c2', 'other']);
    expect((await books.redis.hkeys(keys.commands(NODE))).toSorted()).toEqual(['c1', 'unwatched']);
    expect(await r.nodes.forget(tenant, 'unknown', 'ops')).toBeNull();
  });

  it('names who said so in each ending', async () => {
    await beat(EPOCH);
    await admit('c1', EPOCH);
    await r.nodes.forget(tenant, NODE, 'ops:1');
    await pass(1_000);
    const ended = (await streamOf(books.redis, keys.events)).find(({ type }) => type === 'session.ended');
    expect(ended).toMatchObject({ sessionId: 'c1', reason: 'killed', by: 'ops_1' });
  });

  it('is forgotten while it is lost, while it drains, after a run that has only admitted, and if it never beat', async () => {
    await beat(100);
    await admit('c1', 100);
    await admit('c2', 200);
    await admit('on 7', 7, { node: 'never beat' });
    await admit('on 8', 8, { node: 'never beat' });
    expect(await r.nodes.forget(tenant, NODE, 'ops')).toBe(1);
    expect(await r.nodes.forget(tenant, 'never beat', 'ops')).toBe(2);
    expect(await books.redis.exists(keys.nodes, keys.begun, keys.nodeRuns('never beat'))).toBe(0);
    await beat(1, 'second');
    await pass(2 * LEASE_MS);
    expect(await r.nodes.forget(tenant, 'second', 'ops')).toBe(0);
    expect((await r.nodes.list(tenant)).total).toBe(0);
    expect(await endings()).toEqual({ c1: 'node_restarted', c2: 'killed', 'on 7': 'killed', 'on 8': 'killed' });
    expect(await books.redis.exists(keys.departed)).toBe(0);
  });
});

describe('phantom nodes', () => {
  it('neither trip the fuse nor hide the loss of a node that holds sessions, and are forgotten soon', async () => {
    await beat(1, 'victim');
    await admit('c1', 1, { node: 'victim' });
    for (const node of ['phantom-0', 'phantom-1', 'phantom-2']) await beat(1, node);
    const live = ['h1', 'h2'];
    const living = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += BEAT_MS) {
        for (const node of live) await beat(1, node);
        await pass(BEAT_MS);
      }
    };
    await living(2 * LEASE_MS);
    expect(await endings()).toEqual({ c1: 'node_lost' });
    expect(await r.nodes.fuses(tenant)).toEqual([]);
    await living(5 * LEASE_MS);
    expect((await r.nodes.list(tenant)).nodes.map(({ node }) => node)).toEqual(['h1', 'h2', 'victim']);
    expect(Object.keys(await books.redis.hgetall(keys.nodes)).toSorted()).toEqual(['h1', 'h2', 'victim']);
  });

  it('by the thousand delay nobody', async () => {
    for (let i = 0; i < 1_000; i += 1) await beat(1, `phantom-${i}`);
    await beat(1, 'victim');
    await admit('c1', 1, { node: 'victim' });
    await pass(LEASE_MS + 3_000);
    expect(await endings()).toEqual({ c1: 'node_lost' });
  });

  it('do not lose what they were told to hang up when they are forgotten', async () => {
    await beat(1);
    await admit('c1', 1);
    await books.store.end(tenant, { sessionId: 'c1' }, { reason: 'killed', by: 'berth' });
    await pass(7 * LEASE_MS);
    expect(await books.redis.hlen(keys.commands(NODE))).toBe(1);
  });
});

describe('the fuse on nodes that hold sessions', () => {
  const fleet = ['n1', 'n2', 'n3', 'n4', 'n5'];

  it('mends when those that are silent have returned or were forgotten, never by time', async () => {
    for (const node of fleet) {
      await beat(EPOCH, node);
      await admit(`call of ${node}`, EPOCH, { node });
    }
    await pass(3 * LEASE_MS, ['n1', 'n2']);
    expect(await r.nodes.fuses(tenant)).toMatchObject([{ id: 'nodes', silent: 3, live: 5 }]);
    for (let hour = 0; hour < 3; hour += 1) {
      books.clock.advance(HOUR_MS);
      await pass(2 * LEASE_MS, ['n1', 'n2']);
      expect(await r.nodes.fuses(tenant)).toMatchObject([{ id: 'nodes' }]);
    }
    expect(await stillLive()).toHaveLength(5);
    await r.nodes.forget(tenant, 'n5', 'ops');
    await pass(3 * LEASE_MS, ['n1', 'n2', 'n3']);
    expect(await r.nodes.fuses(tenant)).toEqual([]);
    expect(await endings()).toEqual({ 'call of n4': 'node_lost', 'call of n5': 'killed' });
  });
});

describe('books that another release has written', () => {
  it('go on: runs of names that never beat are found, and what was stuck is watched or ends', async () => {
    // As the release before had them: nothing notes the runs of a name that has not beaten, or that a run has begun.
    await admit('unbeaten', 1);
    await beat(100, 'beating');
    await admit('present', 100, { node: 'beating' });
    await admit('stuck', 200, { node: 'beating' });
    await pass(1_000, []);
    await beat(2, 'third');
    await admit('too old', 1, { node: 'fourth' });
    await books.redis.hset(keys.nodes, 'fourth', '2');
    await books.redis.del(
      keys.nodeRuns(NODE),
      keys.nodeRuns('fourth'),
      keys.begun,
      tenantKeys('default').node('beating'),
    );
    await books.redis.zrem(tenantKeys('default').heartbeats, 'beating');
    await books.redis.hdel(keys.pulse, 'runs_noted');

    const upgraded = new Reconciling(books);
    await upgraded.pass(2_000);
    expect(await endings()).toEqual({ present: 'node_restarted', 'too old': 'node_restarted' });
    expect(await upgraded.nodes.beat(tenant, { node: NODE, epoch: 2, via: 'http' })).toMatchObject({ kind: 'beat' });
    await upgraded.pass(2 * LEASE_MS);
    expect(await endings()).toMatchObject({ unbeaten: 'node_restarted', stuck: 'node_lost' });
  });
});
