import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS } from '#basics';
import { shardKeys, shardNumbers, shardOf, tenantKeys, type TenantRef } from './keys.js';
import type { AdmissionRequest } from './model/decision.js';
import { keys, request, streamOf, tenant, useBooks } from '../test/fixture.js';
import { entry, LEASE_MS, Reconciling } from '../test/snapshot.fixture.js';

const NODE = 'b2bua-1';
const DRAINING = { kind: 'node-draining' };
const four: TenantRef = { name: 'acme', shards: 4 };

const books = useBooks();
let r: Reconciling;

beforeEach(async () => {
  r = new Reconciling(books);
  for (const one of [tenant, four]) await books.store.limits.change(one, () => ({ maxSessionsPerUser: 0 }));
});

const drain = async (draining = true, node = NODE) => await r.nodes.drains.set(tenant, node, draining);
const asked = (id: string, changes: Partial<AdmissionRequest> = {}) =>
  request(id, { node: NODE, epoch: 100, ...changes });
const admit = async (id: string, changes: Partial<AdmissionRequest> = {}) =>
  (await books.store.admit(tenant, asked(id, changes))).decision;
const stillLive = async () => await books.redis.zrange(keys.deadlines, '0', '-1');
const listed = async () => (await r.nodes.list(tenant)).nodes;

describe('a node that drains', () => {
  beforeEach(async () => {
    await r.beat(NODE, 100);
    await admit('before');
    await drain();
  });

  it('takes no new session, whatever it names of the run, and leaves nothing of the refused', async () => {
    const before = await books.redis.dbsize();
    const ways: Partial<AdmissionRequest>[] = [
      {},
      { epoch: null },
      { state: 'reserved' },
      { groups: ['trunk:west'] },
      { user: 'bob' },
    ];
    for (const way of ways) {
      expect(await admit('new', way)).toEqual(DRAINING);
      expect(await books.store.check(tenant, asked('new', way))).toEqual(DRAINING);
    }
    expect(await stillLive()).toEqual(['before']);
    expect(await books.redis.dbsize()).toBe(before);
    expect((await streamOf(books.redis, keys.events)).map(({ type }) => type)).toEqual(['session.admitted']);
  });

  it('answers a retry of what it was admitted as before, and keeps and ends its calls as before', async () => {
    expect(await admit('before')).toMatchObject({ kind: 'admitted', repeated: true });
    expect(await books.store.renew(tenant, { sessionId: 'before' })).toMatchObject({ kind: 'live' });
    expect(await books.store.confirm(tenant, { sessionId: 'before' })).toMatchObject({ kind: 'live' });
    await books.store.end(tenant, { sessionId: 'before' }, { reason: 'completed', by: 'node' });
    expect(await admit('before')).toMatchObject({ kind: 'ended' });
  });

  it('takes emergency calls all the same, and what is a fact: a published start, a list, a call that it held all the time', async () => {
    expect(await admit('emergency', { priority: 'emergency' })).toMatchObject({ kind: 'admitted' });
    expect(await books.store.started(tenant, asked('started'))).toMatchObject({ kind: 'admitted' });
    await r.list([entry('listed')], { epoch: 100 });
    await books.store.end(tenant, { sessionId: 'before' }, { reason: 'reconciled', by: 'berth' });
    expect(await admit('before')).toMatchObject({ kind: 'admitted', repeated: false });
    expect((await stillLive()).toSorted()).toEqual(['before', 'emergency', 'listed', 'started']);
  });

  it('gets no call from another node, and gives its own to others', async () => {
    await admit('elsewhere', { node: 'other', epoch: 7 });
    await admit('police', { node: 'other', epoch: 7, priority: 'emergency' });
    const transfer = async (sessionId: string, node: string) =>
      await books.store.transfers.transfer(tenant, { sessionId }, { node, epoch: null });
    expect(await transfer('elsewhere', NODE)).toEqual(DRAINING);
    expect(await transfer('police', NODE)).toMatchObject({ kind: 'live' });
    expect(await transfer('before', NODE)).toMatchObject({ kind: 'live', changed: false });
    expect(await transfer('before', 'other')).toMatchObject({ kind: 'live', session: { node: 'other' } });
  });

  it('is the reason also where a limit is full, so that another node is tried', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    expect(await admit('new')).toEqual(DRAINING);
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1, sessionLimitAction: 'terminate_oldest' }));
    expect(await admit('new')).toEqual(DRAINING);
    expect(await stillLive()).toEqual(['before']);
  });

  it('hears first that its run is over', async () => {
    expect(await admit('old', { epoch: 99 })).toEqual({ kind: 'stale-epoch', currentEpoch: 100 });
  });

  it('drains until that is taken back, through new runs, silence, its return and being forgotten for it', async () => {
    await r.beat(NODE, 200);
    expect(await admit('new', { epoch: 200 })).toEqual(DRAINING);
    await r.pass(2 * LEASE_MS);
    await r.beat(NODE, 200);
    expect(await admit('new', { epoch: 200 })).toEqual(DRAINING);
    await r.pass(2 * LEASE_MS);
    books.clock.advance(DAY_MS);
    await r.pass(3_000);
    expect(await listed()).toMatchObject([
      { node: NODE, state: 'unwatched', draining: true, epoch: null, sinceMs: null, lastBeatMs: null, via: null },
    ]);
    expect(await admit('new', { epoch: 200 })).toEqual(DRAINING);
    await drain(false);
    expect(await admit('new', { epoch: 200 })).toMatchObject({ kind: 'admitted' });
    expect(await listed()).toEqual([]);
  });

  it('is listed as draining, and counted', async () => {
    await r.beat('other', 5);
    expect(await listed()).toMatchObject([
      { node: NODE, state: 'live', draining: true, sessions: 1 },
      { node: 'other', state: 'live', draining: false },
    ]);
    expect(await r.nodes.counts(tenant)).toMatchObject({ live: 2, draining: 1 });
    expect(await r.nodes.held(tenant, NODE)).toBe(1);
  });

  it.each([
    ['leaves', async () => await r.nodes.departures.leave(tenant, { node: NODE, epoch: 100 })],
    ['is forgotten', async () => await r.nodes.forget(tenant, NODE, 'ops')],
  ])('drains no more once it %s', async (_, go) => {
    await go();
    expect(await admit('new', { epoch: 200 })).toMatchObject({ kind: 'admitted' });
    expect(await r.nodes.counts(tenant)).toMatchObject({ draining: 0 });
    expect(await books.redis.exists(keys.draining, tenantKeys('default').draining)).toBe(0);
  });

  it('does not drain its tenant or its namesakes', async () => {
    expect(await admit('other', { node: 'b2bua-10' })).toMatchObject({ kind: 'admitted' });
    expect(await admit('none', { node: null, epoch: null })).toMatchObject({ kind: 'admitted' });
    expect((await books.store.admit(four, asked('acme'))).decision).toMatchObject({ kind: 'admitted' });
  });
});

it('a name that never beat, and a hostile one, drain like any other', async () => {
  for (const node of ['never', 'a:b', 'n/%?"', '__proto__', 'ü'.repeat(64)]) {
    await drain(true, node);
    expect(await admit('new', { node })).toEqual(DRAINING);
    expect(await admit('new', { node, epoch: null })).toEqual(DRAINING);
    await drain(false, node);
    await drain(false, node);
    expect(await admit(`call of ${node}`, { node })).toMatchObject({ kind: 'admitted' });
  }
});

describe('over several shards', () => {
  const USERS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
  const decisions = async (id: string) =>
    new Set(
      await Promise.all(
        USERS.map(async (user) => (await books.store.admit(four, asked(`${id} of ${user}`, { user }))).decision.kind),
      ),
    );
  const across = () => new Reconciling(books, four);

  it('a node drains in all of them as soon as that is answered, and in none once it is taken back', async () => {
    expect(new Set(USERS.map((user) => shardOf(four, user))).size).toBe(4);
    await r.nodes.drains.set(four, NODE, true);
    expect(await decisions('first')).toEqual(new Set(['node-draining']));
    await r.nodes.drains.set(four, NODE, false);
    expect(await decisions('second')).toEqual(new Set(['admitted']));
  });

  it('what a process that died had written to some of them, the watch writes to the others', async () => {
    const { draining } = tenantKeys('acme');
    await books.redis.sadd(draining, NODE);
    await books.redis.sadd(shardKeys(four, 1).draining, NODE);
    await across().pass(1_000);
    expect(await decisions('first')).toEqual(new Set(['node-draining']));
    await books.redis.srem(draining, NODE);
    await books.redis.srem(shardKeys(four, 2).draining, NODE);
    await across().pass(1_000);
    expect(await decisions('second')).toEqual(new Set(['admitted']));
    for (const shard of shardNumbers(four)) expect(await books.redis.exists(shardKeys(four, shard).draining)).toBe(0);
  });

  it('a watch takes back nothing that an operator changes while it looks', async () => {
    const { drains } = r.nodes;
    const smembers = books.redis.smembers.bind(books.redis);
    let looks = 0;
    books.redis.smembers = async (key: string) => {
      const members = await smembers(key);
      if (++looks === four.shards) await drains.set(four, NODE, true);
      return members;
    };
    await drains.repair(four);
    books.redis.smembers = smembers;
    expect(await decisions('new')).toEqual(new Set(['node-draining']));
  });

  it('a handover from another shard is refused, and the session stays where it is', async () => {
    const [from, to] = ['alice', USERS.find((user) => shardOf(four, user) !== shardOf(four, 'alice'))!];
    await books.store.admit(four, asked('call', { user: from, node: 'other', epoch: 7 }));
    await r.nodes.drains.set(four, NODE, true);
    const transfer = async (node: string) =>
      await books.store.transfers.transfer(four, { sessionId: 'call' }, { node, epoch: null, user: to });
    expect(await transfer(NODE)).toEqual(DRAINING);
    expect(await books.store.get(four, { sessionId: 'call' })).toMatchObject({ kind: 'live', session: { user: from } });
    expect(await books.redis.exists(shardKeys(four, shardOf(four, from)).offers)).toBe(0);
    expect(await transfer('other')).toMatchObject({ kind: 'live', session: { user: to, node: 'other' } });
  });
});

it('no admission that is asked for after the answer passes, however many are under way', async () => {
  await r.beat(NODE, 100);
  let isDraining = false;
  const late: string[] = [];
  const callers = Array.from({ length: 20 }, async (_, caller) => {
    for (let call = 0; call < 25; call += 1) {
      const asksLate = isDraining;
      const { kind } = await admit(`${caller}/${call}`, { user: `u${caller}` });
      if (asksLate) late.push(kind);
    }
  });
  await drain();
  isDraining = true;
  await Promise.all(callers);
  expect(late.length).toBeGreaterThan(100);
  expect(new Set(late)).toEqual(new Set(['node-draining']));
});
