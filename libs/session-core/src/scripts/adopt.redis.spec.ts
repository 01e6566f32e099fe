import { beforeEach, describe, expect, it } from '@jest/globals';
import { admitted, keys, request, tenant, useBooks, shardContext } from '../../test/fixture.js';
import { entry, EPOCH, NODE, Reconciling, SIP } from '../../test/snapshot.fixture.js';
import { adopt } from './adopt.script.js';
import { enterNode, loseNode } from './node-run.script.js';

const books = useBooks();
const options = { tombstoneMs: 60_000, onReturn: 'over_admit', policyOf: () => SIP } as const;
const context = () => shardContext(books);
const list = () => ({ node: NODE, epoch: EPOCH, mark: books.clock.nowMs });
const sizeOf = async (kind: 'listed' | 'adopted' | 'elsewhere') =>
  await books.redis.scard(keys.snapshot(kind, NODE, EPOCH, books.clock.nowMs));

describe('adopt', () => {
  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
    await new Reconciling(books).beat();
  });

  it('enters nothing for a run that this shard knows to be lost or over, whoever else does not know it yet', async () => {
    await loseNode(context(), { node: NODE, epoch: EPOCH, change: 1 }, false);
    const stale = { kind: 'stale-epoch', currentEpoch: EPOCH };
    expect(await adopt(context(), list(), [entry('a')], options)).toEqual(stale);
    await enterNode(context(), { node: NODE, epoch: EPOCH + 1, change: 0 }, false);
    expect(await adopt(context(), list(), [entry('a')], options)).toEqual({ ...stale, currentEpoch: EPOCH + 1 });
    expect(await books.redis.exists(keys.deadlines)).toBe(0);
  });

  it('puts a run into force that this shard has not seen: what the older one held is over', async () => {
    await admitted(books.store, request('old'));
    expect(await adopt(context(), { ...list(), epoch: EPOCH + 1 }, [entry('a')], options)).toEqual({ kind: 'taken' });
    expect(await books.redis.hget(keys.nodes, NODE)).toBe(String(EPOCH + 1));
    expect(await books.redis.zrange(keys.departed, '0', '-1')).toEqual([`node_restarted:${NODE}:${EPOCH}`]);
  });

  it('takes an id once that is listed twice', async () => {
    await adopt(context(), list(), [entry('a'), entry('a', { user: 'bob' })], options);
    expect([await sizeOf('listed'), await sizeOf('adopted')]).toEqual([2, 1]);
    expect(await books.redis.exists(keys.userSessions('bob'))).toBe(0);
  });

  it('leaves a record alone that it cannot read', async () => {
    await books.redis.set(keys.session('a'), 'no record');
    await adopt(context(), list(), [entry('a'), entry('b')], options);
    expect(await books.redis.get(keys.session('a'))).toBe('no record');
    expect([await sizeOf('elsewhere'), await sizeOf('adopted')]).toEqual([1, 1]);
  });

  it('says that the list was here even where it names nothing of this shard', async () => {
    await adopt(context(), list(), [], options);
    expect(await sizeOf('listed')).toBe(1);
  });

  it('keeps what was said for 20 min', async () => {
    await adopt(context(), list(), [entry('a')], options);
    for (const kind of ['listed', 'adopted'] as const) {
      const left = await books.redis.pttl(keys.snapshot(kind, NODE, EPOCH, books.clock.nowMs));
      expect(left).toBeGreaterThan(600_000);
    }
  });
});
