import { beforeEach, describe, expect, it } from '@jest/globals';
import { admitted, keys, request, useBooks, streamOf, tenant } from '../../test/fixture.js';

describe('sweep', () => {
  const books = useBooks();

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
  });

  const lasting = (ms: number) => ({ policy: { idleMs: 0, maxDurationMs: ms, reservationMs: 1_000 } });

  it('ends what is due and nothing else, and says when the next is due', async () => {
    await admitted(books.store, request('short', lasting(1_000)));
    await admitted(books.store, request('long', lasting(5_000)));
    await admitted(books.store, request('for-ever', lasting(0)));
    const start = books.clock.nowMs;
    expect(await books.store.sweep(tenant, 0, 100)).toEqual({ nowMs: start, nextDueMs: start + 1_000, ended: [] });
    books.clock.advance(1_250);
    const swept = await books.store.sweep(tenant, 0, 100);
    expect(swept).toMatchObject({
      nextDueMs: start + 5_000,
      ended: [{ latenessMs: 250, session: { id: 'short', endReason: 'max_duration', sourceIp: '192.0.2.10' } }],
    });
    books.clock.advance(10_000);
    expect((await books.store.sweep(tenant, 0, 100)).nextDueMs).toBeNull();
    expect(await books.redis.zrange(keys.deadlines, '0', '-1', 'WITHSCORES')).toEqual(['for-ever', 'inf']);
  });

  it('ends at most a batch, and says that more is due', async () => {
    for (let i = 0; i < 5; i++) await admitted(books.store, request(`call-${i}`, lasting(1_000)));
    books.clock.advance(2_000);
    const swept = await books.store.sweep(tenant, 0, 3);
    expect(swept.ended).toHaveLength(3);
    expect(swept.nextDueMs).toBeLessThanOrEqual(swept.nowMs);
  });

  it('ends each session once, however many sweep', async () => {
    for (let i = 0; i < 300; i++) await admitted(books.store, request(`call-${i}`, lasting(1_000)));
    books.clock.advance(2_000);
    const sweeps = await Promise.all(Array.from({ length: 20 }, () => books.store.sweep(tenant, 0, 100)));
    expect(sweeps.flatMap(({ ended }) => ended)).toHaveLength(300);
    const events = await streamOf(books.redis, keys.events);
    expect(new Set(events.filter(({ type }) => type === 'session.ended').map(({ id }) => id)).size).toBe(300);
  });

  it('tells the node of what it ended', async () => {
    await admitted(books.store, request('call-1', lasting(1_000)));
    books.clock.advance(1_000);
    await books.store.sweep(tenant, 0, 100);
    expect(await books.redis.hkeys(keys.commands('b2bua-1'))).toEqual(['call-1']);
  });

  it('is not held up by a deadline whose record a foreign hand has deleted', async () => {
    await admitted(books.store, request('broken', lasting(1_000)));
    await admitted(books.store, request('call-1', lasting(1_000)));
    await books.redis.del(keys.session('broken'));
    books.clock.advance(1_000);
    const ended = async () =>
      (await books.store.sweep(tenant, 0, 1)).ended.map(({ session }) => [session.id, session.endReason]);
    expect(await ended()).toEqual([['broken', 'reconciled']]);
    expect(await ended()).toEqual([['call-1', 'max_duration']]);
  });
});
