import { beforeEach, describe, expect, it } from '@jest/globals';
import { boundedStore } from '../../test/bounded-store.js';
import { admitted, keys, request, tenant, useBooks } from '../../test/fixture.js';
import type { SessionStore } from '../session-store.js';

const BOUND = 2_000;
/** What one trim takes, and the most entries of a node of the stream, which goes as a whole. */
const [STEP, NODE] = [500, 100];

describe('an outbox that nobody trims', () => {
  const books = useBooks();
  let store: SessionStore;
  const length = () => books.redis.xlen(keys.events);
  const fillTo = async (entries: number) => {
    const missing = entries - (await length());
    const pipeline = books.redis.pipeline();
    for (let i = 0; i < missing; i++) pipeline.xadd(keys.events, '*', 'v', '1', 'type', 'other');
    await pipeline.exec();
  };
  const end = (sessionId: string) => store.end(tenant, { sessionId }, { reason: 'completed', by: 'node' });
  const expectTrimmedTo = async (entries: number) => {
    const left = await length();
    expect(left).toBeLessThanOrEqual(entries + NODE);
    expect(left).toBeGreaterThanOrEqual(entries);
  };

  beforeEach(async () => {
    store = boundedStore(books, { events: BOUND });
    await store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
  });

  it('loses nothing below the bound', async () => {
    await admitted(store, request('a'));
    await fillTo(BOUND - 1);
    await end('a');
    expect(await length()).toBe(BOUND);
  });

  it('is cut at the bound by an admission, by an end, and then for a while not again', async () => {
    for (const id of ['a', 'b']) await admitted(store, request(id));
    await fillTo(BOUND);
    await end('a');
    await expectTrimmedTo(BOUND - STEP + 1);
    const left = await length();
    await end('b');
    expect(await length()).toBe(left + 1);
    await fillTo(BOUND);
    await admitted(store, request('c', { groups: ['trunk:west'] }));
    await expectTrimmedTo(BOUND - STEP + 1);
    const [[, newest] = []] = await books.redis.xrevrange(keys.events, '+', '-', 'COUNT', 1);
    expect(newest).toEqual(expect.arrayContaining(['session.admitted', 'groupsActive', '{"trunk:west":1}']));
  });

  it('far above the bound is cut step by step, one step a script, however much the script writes', async () => {
    for (let i = 0; i < 50; i++)
      await admitted(store, request(`due-${i}`, { policy: { idleMs: 0, maxDurationMs: 1, reservationMs: 0 } }));
    await admitted(store, request('a'));
    await fillTo(2 * BOUND);
    books.clock.advance(1_000);
    expect((await store.sweep(tenant, 0, 100)).ended).toHaveLength(50);
    await expectTrimmedTo(2 * BOUND - STEP + 50);
    const before = await length();
    await end('a');
    await expectTrimmedTo(before - STEP + 1);
  });
});
