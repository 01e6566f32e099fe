import { beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '#testing';
import { keys, request, useBooks, streamOf, tenant, shardContext } from '../../test/fixture.js';
import { SessionStore } from '../session-store.js';
import { admit } from './admit.script.js';
import { withdraw } from './withdraw.script.js';

describe('withdraw', () => {
  const books = useBooks();

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
  });

  const context = () => shardContext(books);
  const options = (token: number) => ({ token, tombstoneMs: 60_000, mode: 'admit' as const });
  const takeBack = (token: number, attempt = 1) =>
    withdraw(context(), { sessionId: 'call-1', attempt, token, rememberedMs: 60_000 });

  it('takes the admission back as if it had not been: unknown, the place free, the id free, the outbox even', async () => {
    await admit(context(), request('call-1'), options(7));
    expect(await takeBack(7)).toBe('withdrawn');
    expect(await books.store.get(tenant, { sessionId: 'call-1' })).toEqual({ kind: 'unknown' });
    expect(await books.store.renew(tenant, { sessionId: 'call-1' })).toEqual({ kind: 'unknown' });
    expect((await streamOf(books.redis, keys.events)).map(({ type, note }) => [type, note])).toEqual([
      ['session.admitted', undefined],
      ['session.ended', 'withdrawn'],
    ]);
    expect((await admit(context(), request('call-1'), options(8))).kind).toBe('admitted');
  });

  it('is repeatable', async () => {
    await admit(context(), request('call-1'), options(7));
    expect([await takeBack(7), await takeBack(7), await takeBack(7)]).toEqual(['withdrawn', 'none', 'none']);
  });

  it('leaves the place to a retry that took the ownership over', async () => {
    await admit(context(), request('call-1'), options(7));
    await admit(context(), request('call-1'), options(8));
    expect(await takeBack(7)).toBe('kept');
    expect((await books.store.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
  });

  it('refuses the admission that arrives after its own withdrawal, and admits a retry', async () => {
    expect(await takeBack(7)).toBe('none');
    expect((await admit(context(), request('call-1'), options(7))).kind).toBe('withdrawn');
    expect((await admit(context(), request('call-1'), options(8))).kind).toBe('admitted');
  });

  it('does so as well where an older attempt is on the books or has ended', async () => {
    await admit(context(), request('call-1', { attempt: 1 }), options(7));
    expect(await takeBack(9, 2)).toBe('kept');
    expect((await admit(context(), request('call-1', { attempt: 2 }), options(9))).kind).toBe('withdrawn');
    expect((await books.store.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
    await books.store.end(tenant, { sessionId: 'call-1' }, { reason: 'completed', by: 'node' });
    expect(await takeBack(10, 2)).toBe('kept');
    expect((await admit(context(), request('call-1', { attempt: 2 }), options(10))).kind).toBe('withdrawn');
  });

  it('keeps earlier attempts ended', async () => {
    await admit(context(), request('call-1', { attempt: 1 }), options(1));
    await admit(context(), request('call-1', { attempt: 2 }), options(2));
    expect(await takeBack(2, 2)).toBe('withdrawn');
    expect((await admit(context(), request('call-1', { attempt: 1 }), options(3))).kind).toBe('ended');
  });

  it('happens by itself when Redis answers too late, and again until it has worked', async () => {
    const hasty = new SessionStore({ client: books.redis, deadlineMs: 50, tombstoneMs: 60_000 });
    books.server.pause();
    try {
      await expect(hasty.admit(tenant, request('call-1'))).rejects.toMatchObject({ code: 'store-unavailable' });
      expect(hasty.withdrawals.pending).toBe(1);
    } finally {
      books.server.resume();
    }
    await eventually(() => hasty.withdrawals.pending === 0);
    expect(await books.redis.zcard(keys.deadlines)).toBe(0);
    expect((await books.store.admit(tenant, request('call-1'))).decision.kind).toBe('admitted');
    await hasty.withdrawals.close();
  });
});
