import { expect, it } from '@jest/globals';
import { shardKeys, shardOf } from './keys.js';
import { NodesStore } from './nodes-store.js';
import { request, useBooks } from '../test/fixture.js';
import { LEASE_MS, POLICY } from '../test/snapshot.fixture.js';

const three = { name: 'acme', shards: 3 };
const books = useBooks();

const nodesStore = () =>
  new NodesStore({
    client: books.redis,
    clockMs: () => books.clock.nowMs,
    deadlineMs: 60_000,
    tombstoneMs: 60_000,
    policy: POLICY,
  });

async function silence(nodes: NodesStore, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    books.clock.advance(1_000);
    await nodes.watch(three).catch(() => undefined);
  }
}

it('tells the healthy shards of every lost node while one shard is broken, and that one later', async () => {
  const nodes = nodesStore();
  const names = ['a', 'b', 'c'];
  for (const node of names) await nodes.beat(three, { node, epoch: 1, via: 'http' });
  const broken = shardKeys(three, 1).nodes;
  const whole = await books.redis.hgetall(broken);
  await books.redis.del(broken);
  await books.redis.set(broken, 'of a foreign type');
  await silence(nodes, 2 * LEASE_MS);
  for (const shard of [0, 2]) {
    expect(await books.redis.hgetall(shardKeys(three, shard).nodes)).toEqual({
      a: '1 1 lost',
      b: '1 1 lost',
      c: '1 1 lost',
    });
  }
  await books.redis.del(broken);
  await books.redis.hset(broken, whole);
  await silence(nodes, 1_000);
  expect(await books.redis.hgetall(broken)).toEqual({ a: '1 1 lost', b: '1 1 lost', c: '1 1 lost' });
});

it('an end with a user that the session has not got yet is remembered where it is', async () => {
  await books.store.limits.change(three, () => ({ maxSessionsPerUser: 5 }));
  const user = ['u1', 'u2', 'u3', 'u4'].find((name) => shardOf(three, name) !== shardOf(three, ''))!;
  await books.store.started(three, request('call', { user: '', node: null, epoch: null }));
  expect((await books.store.end(three, { sessionId: 'call', user }, { reason: 'completed', by: 'node' })).kind).toBe(
    'now',
  );
  expect((await books.store.get(three, { sessionId: 'call' })).kind).toBe('ended');
});
