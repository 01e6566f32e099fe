import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS, HOUR_MS } from '#basics';
import { Pulses } from './pulses.js';
import { admitted, keys, request, tenant, useBooks } from '../test/fixture.js';

const GRACE_MS = 15_000;
const STALE_MS = 5_000;

const books = useBooks();
let steadyMs: number;
let pulses: Pulses;

const newPulses = () =>
  new Pulses({
    client: books.redis,
    graceMs: GRACE_MS,
    staleAfterMs: STALE_MS,
    clockMs: () => books.clock.nowMs,
    steadyMs: () => steadyMs,
  });

beforeEach(async () => {
  steadyMs = 0;
  pulses = newPulses();
  await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2 }));
  await pulses.beat(tenant);
});

const IDLE = { idleMs: 20_000, maxDurationMs: DAY_MS, reservationMs: 20_000 };
const due = async (id: string) => Number(await books.redis.zscore(keys.deadlines, id)) - books.clock.nowMs;
const live = async () => await books.redis.zcard(keys.deadlines);

/** Time passes for Redis and for everybody else, with a pulse each second, as in life. */
async function pass(ms: number) {
  for (let passed = 0; passed < ms; passed += 1_000) {
    books.clock.advance(1_000);
    steadyMs += 1_000;
    await pulses.beat(tenant);
  }
}

/** Nothing is seen of Redis for so long. */
function away(ms: number) {
  books.clock.advance(ms);
  steadyMs += ms;
}

describe('after the store was away', () => {
  it.each(['active', 'reserved'] as const)(
    'what was due by silence (%s) has the whole grace before it ends',
    async (state) => {
      await admitted(books.store, request('silent', { state, policy: IDLE }));
      away(30_000);
      expect(await pulses.beat(tenant)).toBe(30_000);
      expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
      expect(await due('silent')).toBe(GRACE_MS);
      await pass(GRACE_MS - 1_000);
      expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
      await pass(1_000);
      expect((await books.store.sweep(tenant, 0, 25)).ended).toHaveLength(1);
    },
  );

  it('no verb ends it before the first pulse either, nor makes room of it', async () => {
    for (const id of ['a', 'b']) await admitted(books.store, request(id, { policy: IDLE }));
    away(30_000);
    expect((await books.store.admit(tenant, request('c'))).decision.kind).toBe('rejected');
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
    expect((await books.store.renew(tenant, { sessionId: 'a' })).kind).toBe('live');
    expect((await admitted(books.store, request('b'))).repeated).toBe(true);
    expect((await books.store.confirm(tenant, { sessionId: 'b' })).kind).toBe('live');
    expect(await due('a')).toBe(IDLE.idleMs);
  });

  it('a hard end that came meanwhile is an end', async () => {
    await admitted(books.store, request('over', { policy: { idleMs: 0, maxDurationMs: 20_000, reservationMs: 0 } }));
    await admitted(
      books.store,
      request('both', { policy: { idleMs: 20_000, maxDurationMs: 35_000, reservationMs: 0 } }),
    );
    away(30_000);
    await pulses.beat(tenant);
    const { ended } = await books.store.sweep(tenant, 0, 25);
    expect(ended.map(({ session }) => [session.id, session.endReason])).toEqual([['over', 'max_duration']]);
    expect(await due('both')).toBe(5_000);
  });

  it('a backlog of what is due is put off in batches, each session once', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    for (let i = 0; i < 60; i += 1) await admitted(books.store, request(`call-${i}`, { policy: IDLE }));
    away(60_000);
    await pulses.beat(tenant);
    for (let batch = 0; batch < 3; batch += 1) await books.store.sweep(tenant, 0, 25);
    const { nextDueMs, nowMs } = await books.store.sweep(tenant, 0, 25);
    expect((nextDueMs ?? 0) - nowMs).toBe(GRACE_MS);
    expect(await live()).toBe(60);
  });

  it('a process that has just started gives the grace as well', async () => {
    await admitted(books.store, request('silent', { policy: IDLE }));
    away(30_000);
    expect(await newPulses().beat(tenant)).toBe(30_000);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
  });
});

describe('when the clock of Redis jumps', () => {
  it('an hour ahead, no session ends, and each keeps the idle time that it had left', async () => {
    await admitted(books.store, request('idle', { policy: { ...IDLE, idleMs: HOUR_MS } }));
    await admitted(books.store, request('ringing', { state: 'reserved', policy: { ...IDLE, reservationMs: 180_000 } }));
    await pass(10_000);
    books.clock.advance(HOUR_MS);
    expect((await books.store.renew(tenant, { sessionId: 'unknown' })).kind).toBe('unknown');
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
    await pulses.beat(tenant);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
    expect(await due('idle')).toBe(HOUR_MS - 10_000);
    expect(await due('ringing')).toBe(170_000);
    await pass(60_000);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
  });

  it('gives what the jump took although somebody else, who cannot tell, saw it first', async () => {
    await admitted(books.store, request('idle', { policy: { ...IDLE, idleMs: HOUR_MS } }));
    await pass(10_000);
    books.clock.advance(HOUR_MS);
    expect(await newPulses().beat(tenant)).toBe(HOUR_MS);
    await pulses.beat(tenant);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
    expect(await due('idle')).toBe(HOUR_MS - 10_000);
  });

  it('gives nothing to what has begun since, nor more than the gap', async () => {
    await pass(1_000);
    books.clock.advance(HOUR_MS);
    await pulses.beat(tenant);
    await admitted(books.store, request('ringing', { state: 'reserved', policy: { ...IDLE, reservationMs: 10_000 } }));
    await pass(10_000);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toHaveLength(1);
  });

  it('an hour back, no session ends, and no long grace is left behind', async () => {
    await admitted(books.store, request('idle', { policy: IDLE }));
    away(30_000);
    await pulses.beat(tenant);
    books.clock.advance(-HOUR_MS);
    await pulses.beat(tenant);
    expect((await books.store.sweep(tenant, 0, 25)).ended).toEqual([]);
    await admitted(books.store, request('later', { policy: IDLE }));
    await pass(IDLE.idleMs + 1_000);
    expect((await books.store.sweep(tenant, 0, 25)).ended.map(({ session }) => session.id)).toEqual(['later']);
  });
});

describe('while all is well', () => {
  it('a session that is silent ends in its time, with any number of processes beating', async () => {
    await admitted(books.store, request('silent', { policy: IDLE }));
    const other = newPulses();
    for (let second = 0; second < 20; second += 1) {
      await pass(1_000);
      await other.beat(tenant);
    }
    expect((await books.store.sweep(tenant, 0, 25)).ended).toHaveLength(1);
  });
});
