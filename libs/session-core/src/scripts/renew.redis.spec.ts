import { describe, expect, it } from '@jest/globals';
import type { Session } from '../model/session.js';
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
    expect(JSON.parse(confirmed?.['session'] ?? '')).toEqual({
      ...(JSON.parse(reserved?.['session'] ?? '') as object),
      state: 'active',
    });
    expect(confirmed).toMatchObject({ type: 'session.confirmed', fromState: 'reserved' });
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
