import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HOUR_MS } from '#basics';
import { loadConfig } from '#config';
import {
  Books,
  NodesStore,
  SessionStore,
  shardKeys,
  shardNumbers,
  StoreUnavailableError,
  TenantsStore,
  type AdmissionRequest,
} from '#session-core';
import { eventually, migrateSlot, startRedisCluster, type RedisCluster } from '#testing';

import { admission } from '../../libs/session-core/test/fleet.fixture.js';

/** These tests are about what is decided, not how fast: seven servers and a burst share two cores. */
const PATIENT_MS = 10_000;

function request(sessionId: string, user: string): AdmissionRequest {
  const policy = { idleMs: 0, maxDurationMs: HOUR_MS, reservationMs: HOUR_MS };
  return { ...admission(user, sessionId), groups: ['trunk:west'], policy };
}

describe('the books on a Redis Cluster of three masters', () => {
  let cluster: RedisCluster;
  let store: SessionStore;
  let books: Books;
  let run = 0;
  let tenant = { name: 'cluster-0', shards: 6 };

  beforeAll(async () => {
    cluster = await startRedisCluster({ masters: 3, replicas: 1 });
  });
  afterAll(async () => {
    await cluster.stop();
  });

  beforeEach(() => {
    tenant = { name: `cluster-${++run}`, shards: 6 };
    const client = cluster.client({ enableOfflineQueue: true });
    store = new SessionStore({ client, deadlineMs: PATIENT_MS, tombstoneMs: 60_000 });
    books = new Books(client, PATIENT_MS);
  });
  afterEach(async () => {
    await store.withdrawals.close();
  });

  const byNode = { reason: 'completed', by: 'node' } as const;

  it('gives each master as many shards of a tenant as any other', async () => {
    for (const shards of [3, 6, 30]) {
      const held = new Map<string, number>();
      for (const shard of shardNumbers({ ...tenant, shards })) {
        const slot = await cluster.slotOf(shardKeys({ ...tenant, shards }, shard).deadlines);
        const { id } = await cluster.masterOf(slot);
        held.set(id, (held.get(id) ?? 0) + 1);
      }
      expect([...held.values()]).toEqual([shards / 3, shards / 3, shards / 3]);
    }
  });

  it('knows a tenant, and with how many shards, through any master', async () => {
    const open = async (shards: number) =>
      await new TenantsStore({ client: cluster.client({ enableOfflineQueue: true }), deadlineMs: PATIENT_MS }).open({
        ...tenant,
        shards,
      });
    expect(await open(6)).toEqual({ kind: 'created' });
    expect(await open(6)).toEqual({ kind: 'known' });
    expect(await open(3)).toMatchObject({ kind: 'mismatch', shards: 6 });
  });

  it('admits exactly the limit of each user under a race', async () => {
    const users = Array.from({ length: 12 }, (_, i) => `user-${i}`);
    const decisions = await Promise.all(
      users.flatMap((user) =>
        Array.from({ length: 40 }, async (_, i) => await store.admit(tenant, request(`${user}-${i}`, user))),
      ),
    );
    expect(decisions.filter(({ decision }) => decision.kind === 'admitted')).toHaveLength(12 * 5);
    expect(await books.total(tenant)).toBe(60);
    const page = await books.sessions(tenant, {}, null, 1_000);
    expect(page.sessions).toHaveLength(60);
    for (const { id } of page.sessions) {
      expect((await store.end(tenant, { sessionId: id }, byNode)).kind).toBe('now');
    }
    expect(await books.total(tenant)).toBe(0);
  });

  it('goes through the whole life of a session on every shard', async () => {
    for (const user of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      const ref = { sessionId: `call-of-${user}`, user };
      const { token } = await store.admit(tenant, request(ref.sessionId, user));
      expect((await store.check(tenant, request(ref.sessionId, user))).kind).toBe('admitted');
      expect((await store.confirm(tenant, ref)).kind).toBe('live');
      expect(await store.renew(tenant, ref, { bytesSent: 7 })).toMatchObject({ session: { bytesSent: 7 } });
      store.withdrawLater(tenant, request(ref.sessionId, user), token);
      await eventually(() => store.withdrawals.pending === 0);
      expect((await store.get(tenant, ref)).kind).toBe('unknown');
    }
    for (let shard = 0; shard < tenant.shards; shard++) {
      expect(await store.sweep(tenant, shard, 100)).toMatchObject({ ended: [], nextDueMs: null });
    }
  });

  it('does not show that scripts were lost', async () => {
    await store.admit(tenant, request('call-1', 'alice'));
    for (const { redis } of cluster.nodes) await redis.script('FLUSH');
    expect((await store.admit(tenant, request('call-2', 'alice'))).decision.kind).toBe('admitted');
  });

  it('has a node drain, and leave with all that it holds, on every master', async () => {
    const client = cluster.client({ enableOfflineQueue: true });
    const { nodes: policy } = loadConfig({ env: {}, cwd: '/' });
    const nodes = new NodesStore({ client, deadlineMs: PATIENT_MS, tombstoneMs: 60_000, policy });
    const users = Array.from({ length: 30 }, (_, i) => `user-${i}`);
    const admit = async (attempt: string) =>
      await Promise.all(
        users.map(async (user) => (await store.admit(tenant, request(`${attempt}-${user}`, user))).decision.kind),
      );
    await nodes.beat(tenant, { node: 'b2bua-1', epoch: 1, via: 'http' });
    expect(new Set(await admit('before'))).toEqual(new Set(['admitted']));
    await nodes.drains.set(tenant, 'b2bua-1', true);
    expect(new Set(await admit('draining'))).toEqual(new Set(['node-draining']));
    expect(await nodes.departures.leave(tenant, { node: 'b2bua-1', epoch: 1 })).toEqual({ kind: 'left' });
    for (const shard of shardNumbers(tenant)) {
      for await (const { endReason } of nodes.drained(tenant, shard)) expect(endReason).toBe('completed');
    }
    expect(await books.total(tenant)).toBe(0);
    expect(new Set(await admit('late'))).toEqual(new Set(['stale-epoch']));
    expect((await nodes.list(tenant)).total).toBe(0);
  });

  it('tears nothing while a slot is on the move, and does not show that it has moved (MOVED)', async () => {
    const single = { name: `moving-${run}`, shards: 1 };
    const keys = shardKeys(single, 0);
    for (let i = 0; i < 30; i++) await store.admit(single, request(`call-${i}`, `user-${i % 10}`));

    const slot = await cluster.slotOf(keys.deadlines);
    const from = await cluster.masterOf(slot);
    const to = (await Promise.all([0, 6_000, 12_000].map((other) => cluster.masterOf(other)))).find(
      ({ id }) => id !== from.id,
    );
    if (to === undefined) throw new Error('There is only one master');
    const move = await migrateSlot(cluster, slot, to);

    // Whatever of the books is here or there: every script is refused as a whole, until the slot has moved.
    const hasty = new SessionStore({ client: cluster.client(), deadlineMs: 250, tombstoneMs: 60_000 });
    for (let step = 0; step < 8; step++) {
      const calls = [
        hasty.admit(single, request(`late-${step}`, `user-${step % 10}`)),
        hasty.admit(single, request(`call-${step}`, `user-${step % 10}`)),
        hasty.end(single, { sessionId: `call-${step}` }, byNode),
        hasty.end(single, { sessionId: `nobody-${step}` }, byNode),
        hasty.renew(single, { sessionId: `call-${29 - step}` }, { bytesSent: step }),
      ];
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailableError) });
      }
      await move.moveKeys(6);
    }
    await move.finish();
    await eventually(() => hasty.withdrawals.pending === 0);
    await hasty.withdrawals.close();

    expect((await store.admit(single, request('after', 'somebody'))).decision.kind).toBe('admitted');
    const master = to.redis;
    const live = (await master.zrange(keys.deadlines, '0', '-1')).toSorted();
    const users = await master.zrange(keys.users, '0', '-1');
    const ofUsers = await Promise.all(users.map((user) => master.zrange(keys.userSessions(user), '0', '-1')));
    expect(ofUsers.flat().toSorted()).toEqual(live);
    expect((await master.zrange(keys.groupSessions('trunk:west'), '0', '-1')).toSorted()).toEqual(live);
    expect((await master.smembers(keys.nodeSessions('b2bua-1', 1))).toSorted()).toEqual(live);
    for (const sessionId of live) expect((await store.get(single, { sessionId })).kind).toBe('live');
  });

  it('goes on after a master has died, without its scripts having been loaded at the replica', async () => {
    const single = { name: `failing-${run}`, shards: 1 };
    await store.admit(single, request('before', 'alice'));
    const slot = await cluster.slotOf(shardKeys(single, 0).deadlines);
    const master = await cluster.masterOf(slot);
    await master.redis.wait(1, 5_000);
    await cluster.failover(slot);
    const decision = await eventually(
      async () => {
        try {
          return (await store.admit(single, request('after', 'alice'))).decision;
        } catch (error) {
          if (error instanceof StoreUnavailableError) return false;
          throw error;
        }
      },
      { timeoutMs: 20_000 },
    );
    expect(decision).toMatchObject({ kind: 'admitted', limits: [{ active: 2 }] });
    expect((await store.get(single, { sessionId: 'before' })).kind).toBe('live');
  });
});
