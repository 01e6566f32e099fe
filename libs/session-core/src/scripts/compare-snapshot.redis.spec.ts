import { beforeEach, describe, expect, it } from '@jest/globals';
import { admitted, keys, request, tenant, useBooks, shardContext } from '../../test/fixture.js';
import { entry, EPOCH, NODE, Reconciling, SIP } from '../../test/snapshot.fixture.js';
import { adopt } from './adopt.script.js';
import { compareSnapshot, countMissing, dropMissing, ListGone, settleHangUps } from './compare-snapshot.script.js';
import { judgeSnapshot, takePart } from './take-part.script.js';

const books = useBooks();
const options = { tombstoneMs: 60_000, onReturn: 'hang_up', policyOf: () => SIP } as const;
const shard = () => shardContext(books);
const missing = async () => await books.redis.zrange(keys.missing(NODE, EPOCH), '0', '-1');
const live = async () => await books.redis.zrange(keys.deadlines, '0', '-1');
let r: Reconciling;

/** A list that names these, begun now. */
const listOf = async (...ids: string[]) => {
  books.clock.advance(1_000);
  const list = { node: NODE, epoch: EPOCH, mark: books.clock.nowMs };
  books.clock.advance(1_000);
  await adopt(
    shard(),
    list,
    ids.map((id) => entry(id)),
    options,
  );
  return list;
};
const allOf = async <T>(steps: AsyncIterable<T>) => {
  const all: T[] = [];
  for await (const step of steps) all.push(step);
  return all;
};

beforeEach(async () => {
  await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
  r = new Reconciling(books);
  await r.beat();
});

describe('comparing', () => {
  it('goes through what a run holds in batches', async () => {
    for (let i = 0; i < 250; i += 1) await admitted(books.store, request(`call-${i}`));
    const steps = await allOf(compareSnapshot(shard(), await listOf('call-0')));
    expect(steps.length).toBeGreaterThan(1);
    expect(steps.at(-1)?.of).toBe(250);
    expect(await missing()).toHaveLength(249);
  });

  it('says nothing where the list is no longer here', async () => {
    await admitted(books.store, request('a'));
    const list = await listOf('b');
    await books.redis.del(keys.snapshot('listed', NODE, EPOCH, list.mark));
    await expect(allOf(compareSnapshot(shard(), list))).rejects.toThrow(ListGone);
    await expect(countMissing(shard(), list)).rejects.toThrow(ListGone);
    await expect(allOf(dropMissing(shard(), list))).rejects.toThrow(ListGone);
    expect(await missing()).toEqual([]);
  });

  it('forgets a time of missing that a clock which stepped back has left in the future', async () => {
    await admitted(books.store, request('a'));
    await allOf(compareSnapshot(shard(), await listOf('b')));
    books.clock.advance(-1_000_000);
    await r.list([entry('a')]);
    books.clock.advance(1);
    await admitted(books.store, request('b', { attempt: 2 }));
    await books.redis.zadd(keys.missing(NODE, EPOCH), books.clock.nowMs + 900_000, 'b');
    const list = await listOf('a');
    await allOf(compareSnapshot(shard(), list));
    expect(Number(await books.redis.zscore(keys.missing(NODE, EPOCH), 'b'))).toBeLessThanOrEqual(books.clock.nowMs);
  });
});

describe('dropping', () => {
  it('looks once more: what was listed, or began anew, since it was counted stays', async () => {
    for (const id of ['ghost', 'listed', 'anew']) await admitted(books.store, request(id));
    await allOf(compareSnapshot(shard(), await listOf('none')));
    const list = await listOf('none');
    await allOf(compareSnapshot(shard(), list));
    expect((await countMissing(shard(), list)).wouldEnd).toBe(3);
    await books.redis.sadd(keys.snapshot('listed', NODE, EPOCH, list.mark), 'listed');
    await books.store.end(tenant, { sessionId: 'anew' }, { reason: 'completed', by: 'node' });
    await admitted(books.store, request('anew', { attempt: 2 }));
    expect((await allOf(dropMissing(shard(), list))).at(-1)).toEqual({ done: 1, of: 1 });
    expect((await live()).toSorted()).toEqual(['anew', 'listed', 'none'].toSorted());
  });
});

describe('hanging up', () => {
  it('leaves out what has come back onto the books since it was listed', async () => {
    await admitted(books.store, request('a'));
    await admitted(books.store, request('b'));
    await r.pass(30_000);
    await r.beat();
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await admitted(books.store, request('c'));
    const list = await listOf('a', 'b');
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2 }));
    await admitted(books.store, request('a'));
    expect(await settleHangUps(shard(), list)).toEqual(['b']);
    expect((await books.store.renew(tenant, { sessionId: 'a' })).kind).toBe('live');
    expect((await books.store.renew(tenant, { sessionId: 'b' })).kind).toBe('ended');
  });
});

describe('judging', () => {
  it('is for the caller who works on the list, and for nobody else', async () => {
    const { mark } = await listOf('a');
    const part = { node: NODE, epoch: EPOCH, mark, part: 1, parts: 1, sessions: [entry('a')] };
    expect(await takePart(shard(), part, { taken: true, worker: 1 })).toEqual({ kind: 'complete' });
    const verdict = { wouldEnd: 0, held: 1, wouldHangUp: 0, listed: 1 };
    const judge = async (worker: number) =>
      await judgeSnapshot(shard(), part, verdict, { fuseShare: 0.2, fuseSessions: 50, worker });
    expect(await judge(2)).toEqual({ kind: 'gone' });
    expect(await judge(1)).toEqual({ kind: 'go' });
  });
});
