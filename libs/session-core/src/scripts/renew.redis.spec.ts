import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS } from '#basics';
import type { Session, TrafficTotals } from '../model/session.js';
import { admitted, keys, request, useBooks, streamOf, tenant } from '../../test/fixture.js';

describe('confirm, renew and get', () => {
  const books = useBooks();

  const ref = { sessionId: 'call-1' };
  const policy = { idleMs: 10_000, maxDurationMs: 60_000, reservationMs: 5_000 };

  it('confirms a reservation: active, idle time from now, one event; again changes nothing', async () => {
    await admitted(books.store, request('call-1', { state: 'reserved', policy }));
    books.clock.advance(4_999);
    const confirmed = await books.store.confirm(tenant, ref);
    expect(confirmed).toMatchObject({
      kind: 'live',
      session: { state: 'active', expiresAtMs: books.clock.nowMs + 10_000 },
    });
    expect(await books.store.confirm(tenant, ref)).toEqual(confirmed);
    const types = (await streamOf(books.redis, keys.events)).map(({ type }) => type);
    expect(types).toEqual(['session.reserved', 'session.confirmed']);
  });

  it('shows the confirmed session in the outbox as its admission did, but active', async () => {
    const groups = ['trunk:west', 'site:a'];
    await admitted(books.store, request('call "1"', { state: 'reserved', policy, groups, priority: 'emergency' }));
    await books.store.confirm(tenant, { sessionId: 'call "1"' });
    const [reserved, confirmed] = await streamOf(books.redis, keys.events);
    // Active is what a session is that says no state.
    const { state, ...others } = JSON.parse(reserved?.['session'] ?? '') as Record<string, unknown>;
    expect([state, JSON.parse(confirmed?.['session'] ?? '')]).toEqual(['reserved', others]);
    expect(confirmed).toMatchObject({ type: 'session.confirmed', fromState: 'reserved', startedAt: reserved?.['at'] });
  });

  it('ends a reservation that is confirmed too late', async () => {
    await admitted(books.store, request('call-1', { state: 'reserved', policy }));
    books.clock.advance(5_000);
    expect(await books.store.confirm(tenant, ref)).toMatchObject({
      kind: 'ended',
      session: { endReason: 'reservation_expired' },
    });
  });

  it('does not let activity prolong a reservation', async () => {
    await admitted(books.store, request('call-1', { state: 'reserved', policy }));
    books.clock.advance(4_000);
    expect(await books.store.renew(tenant, ref, { bytesSent: 1 })).toMatchObject({
      session: { expiresAtMs: books.clock.nowMs + 1_000 },
    });
  });

  it('loses no total that is said in the renewal which finds that the session is over', async () => {
    await admitted(books.store, request('call-1', { policy }));
    books.clock.advance(10_000);
    expect(await books.store.renew(tenant, ref, { bytesSent: 7 })).toMatchObject({ kind: 'ended' });
    const [, ended, totals] = await streamOf(books.redis, keys.events);
    expect(ended).toMatchObject({ type: 'session.ended', reason: 'idle_timeout' });
    expect(totals).toMatchObject({ type: 'session.totals', sessionId: 'call-1', bytesSent: '7' });
  });

  it('renews the idle time but never the maximum duration', async () => {
    const { session } = await admitted(books.store, request('call-1', { policy }));
    for (let i = 0; i < 11; i++) {
      books.clock.advance(5_000);
      expect(await books.store.renew(tenant, ref)).toMatchObject({
        kind: 'live',
        session: {
          lastActivityAtMs: books.clock.nowMs,
          expiresAtMs: Math.min(books.clock.nowMs + 10_000, session.startedAtMs + 60_000),
          endsByMs: session.startedAtMs + 60_000,
        },
      });
    }
    books.clock.advance(5_000);
    expect(await books.store.renew(tenant, ref)).toMatchObject({
      kind: 'ended',
      session: { endReason: 'max_duration' },
    });
  });

  it('ends on idle time to the millisecond, and a late renewal does not bring it back', async () => {
    await admitted(books.store, request('call-1', { policy }));
    books.clock.advance(9_999);
    expect((await books.store.get(tenant, ref)).kind).toBe('live');
    await books.store.renew(tenant, ref);
    books.clock.advance(10_000);
    expect(await books.store.renew(tenant, ref)).toMatchObject({
      kind: 'ended',
      session: { endReason: 'idle_timeout' },
    });
    expect((await books.store.renew(tenant, ref)).kind).toBe('ended');
    expect(await books.redis.zcard(keys.deadlines)).toBe(0);
  });

  it('merges totals by maximum, in any order', async () => {
    await admitted(books.store, request('call-1'));
    await books.store.renew(tenant, ref, { bytesSent: 2 ** 53 - 1, packetsSent: 7 });
    await books.store.renew(tenant, ref, { bytesSent: 5, bytesReceived: 9, packetsSent: 8 });
    expect(await books.store.get(tenant, ref)).toMatchObject({
      session: { bytesSent: 2 ** 53 - 1, bytesReceived: 9, packetsSent: 8, packetsReceived: 0 },
    });
  });

  it('writes one number and nothing else for a session that reports no traffic', async () => {
    await admitted(books.store, request('call-1', { policy }));
    books.clock.advance(1_000);
    await books.store.renew(tenant, ref);
    expect(await books.redis.exists(keys.traffic('call-1'))).toBe(0);
  });

  it('keeps the last activity of a session without idle time', async () => {
    await admitted(books.store, request('call-1'));
    books.clock.advance(7_000);
    await books.store.renew(tenant, ref);
    const at = books.clock.nowMs;
    books.clock.advance(1_000);
    expect(await books.store.get(tenant, ref)).toMatchObject({ session: { lastActivityAtMs: at } });
  });

  it('takes nothing away when the clock of Redis steps back', async () => {
    await admitted(books.store, request('call-1', { policy }));
    books.clock.advance(8_000);
    await books.store.renew(tenant, ref);
    const due = books.clock.nowMs + 10_000;
    books.clock.advance(-600_000);
    expect(await books.store.renew(tenant, ref)).toMatchObject({ kind: 'live', session: { expiresAtMs: due } });
  });

  it('takes late and reordered activity for what it was: the latest counts, whatever came last', async () => {
    await admitted(books.store, request('call-1', { policy }));
    const start = books.clock.nowMs;
    const at = (ms: number, bytesSent: number, id: string) =>
      books.store.renew(tenant, ref, { bytesSent, channels: [{ id, type: 'session' }] }, { atMs: start + ms });
    books.clock.advance(6_000);
    for (const [ms, bytes, id] of [
      [5_000, 50, 'b'],
      [2_000, 20, 'a'],
      [5_000, 50, 'b'],
    ] as const)
      await at(ms, bytes, id);
    const { session } = (await at(99_000, 60, 'c')) as { session: Session };
    expect(session).toMatchObject({ bytesSent: 60, lastActivityAtMs: start + 6_000, expiresAtMs: start + 16_000 });
    expect(await at(1_000, 10, 'z')).toMatchObject({ session: { bytesSent: 60, channels: [{ id: 'c' }] } });
  });

  it('answers an older attempt that it is over, and an id that it never saw that it is unknown', async () => {
    await admitted(books.store, request('call-1', { attempt: 2 }));
    expect(await books.store.renew(tenant, ref, {}, { attempt: 1 })).toEqual({ kind: 'ended', session: null });
    expect(await books.store.confirm(tenant, ref, 1)).toEqual({ kind: 'ended', session: null });
    expect(await books.store.renew(tenant, { sessionId: 'nobody' })).toEqual({ kind: 'unknown' });
    expect(await books.store.confirm(tenant, { sessionId: 'nobody' })).toEqual({ kind: 'unknown' });
  });
});

describe('activity that overtakes its start', () => {
  const books = useBooks();
  const ref = { sessionId: 'call 1' };
  const channels = (id: string) => [{ id, type: 'session' as const }];
  const publish = (totals: TrafficTotals, attempt?: number, agoMs = 0) =>
    books.store.renew(tenant, ref, totals, { attempt, atMs: books.clock.nowMs - agoMs });
  const started = (attempt = 1) => books.store.started(tenant, request(ref.sessionId, { attempt }));
  const kept = async () => (await books.redis.keys('*early*')).toSorted();

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
  });

  it('is kept a minute for its attempt, and goes to that one alone', async () => {
    expect(await publish({ bytesSent: 1 }, 1)).toEqual({ kind: 'unknown' });
    await publish({ bytesSent: 20 }, 2);
    await publish({ bytesSent: 10 }, 2);
    expect(await kept()).toEqual([keys.early(ref.sessionId, 1), keys.early(ref.sessionId, 2)]);
    expect(await books.redis.pttl(keys.early(ref.sessionId, 2))).toBeGreaterThan(0);
    await started(2);
    expect(await books.store.get(tenant, ref)).toMatchObject({ session: { attempt: 2, bytesSent: 20 } });
    expect(await kept()).toEqual([keys.early(ref.sessionId, 1)]);
    expect(await books.redis.pttl(keys.traffic(ref.sessionId))).toBe(-1);
  });

  it('is taken with what named no attempt: the largest of each total, the latest channels', async () => {
    await publish({ bytesSent: 5, bytesReceived: 90, channels: channels('late') }, undefined, 1_000);
    await publish({ bytesSent: 7, bytesReceived: 10, channels: channels('early') }, 1, 2_000);
    await started();
    expect(await books.store.get(tenant, ref)).toMatchObject({
      session: { bytesSent: 7, bytesReceived: 90, channels: channels('late') },
    });
    expect(await publish({ channels: channels('older') }, 1, 1_500)).toMatchObject({
      session: { channels: channels('late') },
    });
    expect(await kept()).toEqual([]);
  });

  it('of a later attempt leaves the one that lives as it is, however it comes', async () => {
    const policy = { idleMs: 10_000, maxDurationMs: 60_000, reservationMs: 0 };
    await admitted(books.store, request(ref.sessionId, { policy }));
    const before = await books.store.get(tenant, ref);
    books.clock.advance(1_000);
    expect(await publish({ bytesSent: 20 }, 2)).toEqual({ kind: 'unknown' });
    expect(await books.store.renew(tenant, ref, { bytesSent: 30 }, { attempt: 2 })).toEqual({ kind: 'unknown' });
    expect(await books.store.get(tenant, ref)).toEqual(before);
    await started(2);
    expect(await books.store.get(tenant, ref)).toMatchObject({ session: { attempt: 2, bytesSent: 20 } });
  });

  it('of an attempt later than the one that has ended, or ends now, is kept as well', async () => {
    const policy = { idleMs: 1_000, maxDurationMs: 60_000, reservationMs: 0 };
    await admitted(books.store, request(ref.sessionId, { policy }));
    books.clock.advance(1_000);
    expect(await publish({ bytesSent: 10 }, 1)).toMatchObject({ kind: 'ended' });
    await publish({ bytesSent: 20 }, 2);
    await started(2);
    books.clock.advance(DAY_MS);
    await publish({ bytesSent: 30 }, 3);
    await started(3);
    expect(await books.store.get(tenant, ref)).toMatchObject({ session: { attempt: 3, bytesSent: 30 } });
  });

  it('is not kept of an attempt that is over', async () => {
    await books.store.end(tenant, ref, { reason: 'completed', by: 'node', attempt: 2 });
    expect(await publish({ bytesSent: 1 }, 2)).toMatchObject({ kind: 'ended' });
    await books.store.end(tenant, { sessionId: 'x' }, { reason: 'completed', by: 'node' });
    await books.store.renew(tenant, { sessionId: 'x' }, { bytesSent: 1 }, { attempt: 9, atMs: books.clock.nowMs });
    expect(await kept()).toEqual([]);
  });

  it('goes to an admission that is asked for as well, once, and stays; a check of it takes nothing', async () => {
    await publish({ bytesSent: 50 });
    await publish({ bytesSent: 60 }, 1);
    const before = await kept();
    const checked = await books.store.check(tenant, request(ref.sessionId));
    expect(checked).toMatchObject({ kind: 'admitted', session: { bytesSent: 60 } });
    expect(await kept()).toEqual(before);
    const { session } = await admitted(books.store, request(ref.sessionId));
    expect(session).toMatchObject({ bytesSent: 60 });
    expect(await books.store.get(tenant, ref)).toMatchObject({ kind: 'live', session });
    await books.store.renew(tenant, ref, { bytesSent: 3, packetsSent: 4 });
    expect(await books.redis.hgetall(keys.traffic(ref.sessionId))).toMatchObject({ bytesSent: '60', packetsSent: '4' });
    expect(await books.redis.pttl(keys.traffic(ref.sessionId))).toBe(-1);
    expect(await kept()).toEqual([]);
  });

  it('waits on where the admission that is asked for is refused', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await admitted(books.store, request('other'));
    await publish({ bytesSent: 60 }, 1);
    const { decision } = await books.store.admit(tenant, request(ref.sessionId));
    expect(decision.kind).toBe('rejected');
    expect(await kept()).toEqual([keys.early(ref.sessionId, 1)]);
    await started(1);
    expect(await books.store.get(tenant, ref)).toMatchObject({ session: { bytesSent: 60 } });
  });
});
