import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer, inForm } from '#testing';
import type { Redis } from 'ioredis';
import type { SnapshotEntry, SnapshotOutcome } from './model/snapshot.js';
import { SessionStore } from './session-store.js';
import { keys, request, streamOf, tenant, TestClock, type Books } from '../test/fixture.js';
import { entry, EPOCH, NODE, Reconciling } from '../test/snapshot.fixture.js';

const SESSIONS = inForm({ short: 6_000, long: 36_000 });
const PER_PART = 1_000;

/** As the store is in life: without the strict client, which makes each script slower. */
describe('tens of thousands of live sessions of one node', () => {
  let server: RedisServer;
  let redis: Redis;
  let books: Books;
  let r: Reconciling;
  const clock = new TestClock();
  const ids = Array.from({ length: SESSIONS }, (_, i) => `call-${i}@pc33.atlanta.example`);
  const all = ids.map((id, i) => entry(id, { user: `user-${i % 9_000}` }));

  beforeAll(async () => {
    server = await startRedis();
    redis = server.client();
    const store = new SessionStore({
      client: redis,
      deadlineMs: 30_000,
      tombstoneMs: 60_000,
      clockMs: () => clock.nowMs,
    });
    books = { redis, store, clock };
    await store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
    r = new Reconciling(books);
    await r.beat();
    for (let from = 0; from < SESSIONS; from += PER_PART) {
      const some = all.slice(from, from + PER_PART);
      await Promise.all(some.map(async ({ id, user }) => await store.admit(tenant, request(id, { user }))));
    }
  }, 120_000);
  afterAll(async () => {
    await server.stop();
  });

  const chunks = (sessions: SnapshotEntry[]) =>
    Array.from({ length: Math.max(1, Math.ceil(sessions.length / PER_PART)) }, (_, i) => ({
      part: i + 1,
      parts: Math.max(1, Math.ceil(sessions.length / PER_PART)),
      sessions: sessions.slice(i * PER_PART, (i + 1) * PER_PART),
    }));

  /** Sends a list; `order` says which of its parts, and in which order. */
  const send = async (
    sessions: SnapshotEntry[],
    { order, slowMs = 0, mark, none }: { order?: number[]; slowMs?: number; mark?: number; none?: boolean } = {},
  ): Promise<SnapshotOutcome[]> => {
    clock.advance(1_000);
    const begun = mark ?? (await r.beat());
    clock.advance(1_000);
    const parts = chunks(sessions);
    const outcomes = [];
    for (const at of order ?? parts.map((_, i) => i)) {
      clock.advance(slowMs);
      if (slowMs > 0) await r.beat();
      const part = parts[at];
      if (part !== undefined) outcomes.push(await r.part({ mark: begun, ...part, none }));
    }
    return outcomes;
  };
  const held = async () => await redis.scard(keys.nodeSessions(NODE, EPOCH));

  it('outlive lists that are slow, empty, partial, doubled, out of order, old or wrong; and one ghost goes after two good ones', async () => {
    expect(await held()).toBe(SESSIONS);
    const forward = chunks(all).map((_, i) => i);
    const fine = { kind: 'complete', adopted: 0, restored: 0, dropped: 0, elsewhere: 0, hangUp: [], suspended: null };
    const old = await r.beat();

    expect((await send(all)).at(-1)).toEqual(fine);
    expect((await send(all, { slowMs: 10_000 })).at(-1)).toEqual(fine);
    expect((await send(all, { order: forward.toReversed() })).at(-1)).toEqual(fine);
    expect((await send(all, { order: forward.flatMap((i) => [i, i, 0]) })).at(-1)).toEqual(fine);
    expect(await redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
    for (let i = 0; i < 3; i += 1) {
      expect(await send([])).toEqual([{ kind: 'empty' }]);
      expect((await send(all, { order: forward.slice(1) })).at(-1)).toEqual({ kind: 'part' });
      expect((await send(all, { mark: old })).at(-1)).toEqual({ kind: 'stale-mark' });
    }
    expect(await redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
    for (const wrong of [all.slice(SESSIONS / 2), [], all.filter((_, i) => i % 2 === 0)]) {
      await send(wrong, { none: true });
      expect((await send(wrong, { none: true })).at(-1)).toEqual({ ...fine, suspended: `snapshot/${NODE}` });
      expect(await held()).toBe(SESSIONS);
    }

    expect((await send(all)).at(-1)).toEqual(fine);
    const withoutGhost = all.slice(1);
    expect((await send(withoutGhost)).at(-1)).toEqual(fine);
    expect(await held()).toBe(SESSIONS);
    expect((await send(withoutGhost)).at(-1)).toEqual({ ...fine, dropped: 1 });
    expect(await held()).toBe(SESSIONS - 1);
    const ended = (await streamOf(redis, keys.events)).filter(({ type }) => type === 'session.ended');
    expect(ended.map(({ sessionId, reason }) => [sessionId, reason])).toEqual([[ids[0], 'reconciled']]);
  }, 300_000);
});
