import { describe, expect, it } from '@jest/globals';
import { shardKeys, shardOf } from '../src/keys.js';
import { admitted, request, tenant, useBooks } from './fixture.js';
import { Redis } from 'ioredis';
import { SessionStore } from '../src/session-store.js';
import { eventually } from '#testing';

describe('shards, full memory and long outages', () => {
  const books = useBooks();
  const acme = { name: 'acme', shards: 4 };
  const other =
    ['bob', 'carol', 'dave', 'erin', 'frank', 'grace'].find((u) => shardOf(acme, u) !== shardOf(acme, 'alice')) ?? '';
  const byNode = { reason: 'completed', by: 'node' } as const;

  it('the end of attempt 2 that comes first is remembered where attempt 2 will be, though attempt 1 ended elsewhere', async () => {
    await books.store.admit(acme, request('call-1', { user: 'alice', attempt: 1 }));
    await books.store.end(acme, { sessionId: 'call-1' }, { ...byNode, attempt: 1 });
    await books.store.end(acme, { sessionId: 'call-1' }, { ...byNode, attempt: 2 });
    const { decision } = await books.store.admit(acme, request('call-1', { user: other, attempt: 2 }));
    expect(decision.kind).toBe('ended');
  });

  it('the same, attempt 1 live elsewhere', async () => {
    await books.store.admit(acme, request('call-1', { user: 'alice', attempt: 1 }));
    await books.store.end(acme, { sessionId: 'call-1' }, { ...byNode, attempt: 2 });
    const { decision } = await books.store.admit(acme, request('call-1', { user: other, attempt: 2 }));
    expect(decision.kind).toBe('ended');
  });

  it('an end that reached only some shards is completed by its repetition', async () => {
    const s = shardOf(acme, other);
    const k = shardKeys(acme, s).session('call-1');
    const orig = books.redis.callBuffer.bind(books.redis);
    let broken = true;
    books.redis.callBuffer = (async (c: string, l: (string | number | Buffer)[]) => {
      // 4th argument of end: the reason
      if (broken && l.includes('completed') && String(l[2]).includes(`/${s}.`))
        throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      return await orig(c, l);
    }) as typeof books.redis.callBuffer;
    await expect(books.store.end(acme, { sessionId: 'call-1' }, byNode)).rejects.toMatchObject({
      code: 'store-unavailable',
    });
    broken = false;
    await books.store.end(acme, { sessionId: 'call-1' }, byNode);
    books.redis.callBuffer = orig;
    expect(await books.redis.exists(k)).toBe(1);
    expect((await books.store.admit(acme, request('call-1', { user: other }))).decision.kind).toBe('ended');
  });

  it('full memory: only admissions fail', async () => {
    await admitted(books.store, request('call-1', { state: 'reserved' }));
    await admitted(books.store, request('web-1', { policy: { idleMs: 300_000, maxDurationMs: 0, reservationMs: 0 } }));
    await books.redis.config('SET', 'maxmemory', '1mb');
    const got: Record<string, string> = {};
    try {
      for (const [name, call] of Object.entries({
        admit: async () => (await books.store.admit(tenant, request('n'))).decision.kind,
        renew: async () => (await books.store.renew(tenant, { sessionId: 'web-1' })).kind,
        confirm: async () => (await books.store.confirm(tenant, { sessionId: 'call-1' })).kind,
        end: async () => (await books.store.end(tenant, { sessionId: 'web-1' }, byNode)).kind,
      }))
        got[name] = await call().catch((e: Error) => e.message);
      await eventually(() => books.store.withdrawals.pending === 0);
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
    expect(got).toMatchObject({ renew: 'live', confirm: 'live', end: 'now' });
  });

  it('an admission that Redis refused for lack of memory does not make it grow', async () => {
    await admitted(books.store, request('call-1'));
    await books.redis.config('SET', 'maxmemory', '1mb');
    const before = await books.redis.dbsize();
    try {
      await Promise.all(
        Array.from({ length: 500 }, (_, i) => books.store.admit(tenant, request(`n${i}`)).catch(() => undefined)),
      );
      await eventually(() => books.store.withdrawals.pending === 0);
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
    expect((await books.redis.dbsize()) - before).toBe(0);
  });

  it('admissions that were certainly never sent do not pile up withdrawals', async () => {
    const dead = new Redis({
      host: '127.0.0.1',
      port: 1,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      lazyConnect: true,
      retryStrategy: () => 60_000,
    });
    dead.on('error', () => undefined);
    await dead.connect().catch(() => undefined);
    const store = new SessionStore({ client: dead, deadlineMs: 250, tombstoneMs: 60_000 });
    for (let i = 0; i < 5000; i++) await store.admit(tenant, request(`x${i}`)).catch(() => undefined);
    const { pending } = store.withdrawals;
    await store.withdrawals.close();
    dead.disconnect();
    expect(pending).toBe(0);
  });
});
