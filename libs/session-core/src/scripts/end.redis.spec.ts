import { describe, expect, it } from '@jest/globals';
import { admitted, keys, request, sessionKeys, useBooks, streamOf, tenant } from '../../test/fixture.js';

const DAY_S = 86_400;

describe('end', () => {
  const books = useBooks();

  const byNode = { reason: 'completed', by: 'node' } as const;
  const killed = { reason: 'killed', by: 'berth', note: 'asked to' } as const;
  const ref = { sessionId: 'call-1' };

  it('frees the place and leaves only a tombstone of a minute', async () => {
    await admitted(books.store, request('call-1', { groups: ['trunk:west'] }));
    await books.store.renew(tenant, ref, { bytesSent: 10 });
    expect(await books.store.end(tenant, ref, byNode)).toMatchObject({
      kind: 'now',
      session: { endReason: 'completed', bytesSent: 10, endedAtMs: books.clock.nowMs },
    });
    const left = await sessionKeys(books.redis);
    expect(left).toEqual([keys.session('call-1')]);
    expect(await books.redis.ttl(keys.session('call-1'))).toBeGreaterThan(50);
    expect(await books.redis.ttl(keys.session('call-1'))).toBeLessThanOrEqual(60);
  });

  it('loses no total that is said with the end of a session that was due before', async () => {
    const policy = { idleMs: 10_000, maxDurationMs: 0, reservationMs: 0 };
    await admitted(books.store, request('call-1', { policy }));
    books.clock.advance(10_000);
    await books.store.end(tenant, ref, { ...byNode, totals: { bytesSent: 7 } });
    const [, ended, totals] = await streamOf(books.redis, keys.events);
    expect(ended).toMatchObject({ type: 'session.ended', reason: 'idle_timeout' });
    expect(totals).toMatchObject({ type: 'session.totals', sessionId: 'call-1', bytesSent: '7' });
  });

  it('ends once, however often it is called; the books and the outbox say so', async () => {
    await admitted(books.store, request('call-1'));
    await admitted(books.store, request('call-2'));
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => books.store.end(tenant, ref, byNode)));
    expect(outcomes.filter(({ kind }) => kind === 'now')).toHaveLength(1);
    expect(await books.redis.zrange(keys.userSessions('alice'), '0', '-1')).toEqual(['call-2']);
    const events = await streamOf(books.redis, keys.events);
    expect(events.filter(({ type }) => type === 'session.ended')).toEqual([
      expect.objectContaining({
        id: `call-1/1/ended/${books.clock.nowMs}`,
        reason: 'completed',
        userActive: '1',
        totalActive: '1',
      }),
    ]);
  });

  it('says its note, where it has one', async () => {
    await admitted(books.store, request('call-1'));
    await books.store.end(tenant, ref, { ...byNode, note: 'bye' });
    await admitted(books.store, request('call-2'));
    await books.store.end(tenant, { sessionId: 'call-2' }, byNode);
    const ended = (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'session.ended');
    expect(ended.map(({ note }) => note)).toEqual(['bye', undefined]);
  });

  it('does not free the place of whoever came after', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await admitted(books.store, request('call-1'));
    await books.store.end(tenant, ref, byNode);
    await admitted(books.store, request('call-2'));
    await books.store.end(tenant, ref, byNode);
    expect((await books.store.admit(tenant, request('call-3'))).decision.kind).toBe('rejected');
  });

  it('remembers an end that comes first, for every attempt or up to the one it names', async () => {
    expect((await books.store.end(tenant, ref, byNode)).kind).toBe('unknown');
    expect((await books.store.admit(tenant, request('call-1', { attempt: 7 }))).decision.kind).toBe('ended');

    const other = { sessionId: 'call-2' };
    expect((await books.store.end(tenant, other, { ...byNode, attempt: 2 })).kind).toBe('unknown');
    expect((await books.store.admit(tenant, request('call-2', { attempt: 2 }))).decision.kind).toBe('ended');
    expect((await books.store.admit(tenant, request('call-2', { attempt: 3 }))).decision.kind).toBe('admitted');
  });

  it('keeps the end that Berth decided, with its command, until the node says that it knows', async () => {
    await admitted(books.store, request('call-1'));
    await books.store.end(tenant, ref, killed);
    expect(await books.redis.hkeys(keys.commands('b2bua-1'))).toEqual(['call-1']);
    expect(await books.redis.ttl(keys.session('call-1'))).toBeGreaterThan(DAY_S - 10);
    expect(await books.store.renew(tenant, ref)).toMatchObject({
      kind: 'ended',
      session: { endReason: 'killed', note: 'asked to' },
    });

    expect((await books.store.end(tenant, ref, byNode)).kind).toBe('before');
    expect(await books.redis.exists(keys.commands('b2bua-1'))).toBe(0);
    expect(await books.redis.ttl(keys.session('call-1'))).toBeLessThanOrEqual(60);
  });

  it('does not invent a tombstone when an operator kills what is not there', async () => {
    expect((await books.store.end(tenant, { sessionId: 'nobody' }, killed)).kind).toBe('unknown');
    expect(await books.redis.exists(keys.session('nobody'))).toBe(0);
  });

  it('works with full memory, when no admission does', async () => {
    await admitted(books.store, request('call-1'));
    await books.redis.config('SET', 'maxmemory', '1mb');
    try {
      await expect(books.store.admit(tenant, request('call-2'))).rejects.toMatchObject({ code: 'store-unavailable' });
      expect((await books.store.end(tenant, ref, byNode)).kind).toBe('now');
      expect((await books.store.end(tenant, { sessionId: 'never-seen' }, byNode)).kind).toBe('unknown');
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
    await books.store.withdrawals.close();
  });

  it.each(['a/b?c[d]e', 'quo"te\'s <x> %41 \\ {y}', 'ünï/cödé', '-', 'limits', '__proto__', 'x'.repeat(256)])(
    'handles the hostile id %j like any other',
    async (sessionId) => {
      await admitted(
        books.store,
        request(sessionId, { user: sessionId, node: sessionId, groups: [`trunk:${sessionId}`] }),
      );
      expect(await books.redis.zrange(keys.userSessions(sessionId), '0', '-1')).toEqual([sessionId]);
      expect((await books.store.end(tenant, { sessionId }, killed)).kind).toBe('now');
      expect(await books.redis.hkeys(keys.commands(sessionId))).toEqual([sessionId]);
      const left = await sessionKeys(books.redis);
      expect(left.toSorted()).toEqual([keys.commanded, keys.commands(sessionId), keys.session(sessionId)].toSorted());
    },
  );
});
