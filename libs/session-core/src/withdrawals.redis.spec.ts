import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '#testing';
import { SessionStore } from './session-store.js';
import { admit } from './scripts/admit.script.js';
import { withdraw } from './scripts/withdraw.script.js';
import { admitted, keys, request, streamOf, tenant, useBooks, shardContext } from '../test/fixture.js';
import { Redis } from 'ioredis';

/** Holds what a client sends until released. */
async function slowPath(port: number) {
  let held = true;
  const flows: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((client) => {
    const up = connect(port, '127.0.0.1');
    sockets.add(client).add(up);
    for (const s of [client, up]) s.on('error', () => undefined);
    up.pipe(client);
    flows.push(() => client.pipe(up));
    if (!held) client.pipe(up);
  });
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  const { port: at } = server.address() as { port: number };
  return {
    port: at,
    open() {
      held = false;
      for (const f of flows) f();
    },
    close() {
      for (const s of sockets) s.destroy();
      server.close();
    },
  };
}

describe('who owns an admission, and what is left of a life', () => {
  const books = useBooks();
  const byNode = { reason: 'completed', by: 'node' } as const;
  const context = () => shardContext(books);
  const options = (token: number) => ({ token, tombstoneMs: 60_000, mode: 'admit' as const });
  const takeBack = (token: number, attempt = 1) =>
    withdraw(context(), { sessionId: 'call-1', attempt, token, rememberedMs: 60_000 });

  it('two gateways: the delayed admission of the first must not take away what the second has promised', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    const path = await slowPath(books.server.port);
    const slow = new Redis({
      host: '127.0.0.1',
      port: path.port,
      enableReadyCheck: false,
      lazyConnect: true,
      maxRetriesPerRequest: 0,
    });
    slow.on('error', () => undefined);
    void slow.connect().catch(() => undefined);
    const one = new SessionStore({ client: slow, deadlineMs: 200, tombstoneMs: 60_000 });
    const two = new SessionStore({ client: books.redis, deadlineMs: 60_000, tombstoneMs: 60_000 });
    try {
      await new Promise<void>((r) => {
        slow.once('connect', () => r());
      });
      await expect(one.admit(tenant, request('call-1'))).rejects.toMatchObject({ code: 'store-unavailable' });
      const { decision } = await two.admit(tenant, request('call-1')); // the caller's retry: 201
      expect(decision.kind).toBe('admitted');
      path.open();
      await eventually(() => one.withdrawals.pending === 0);
      expect((await two.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
      expect((await two.admit(tenant, request('call-2'))).decision.kind).toBe('rejected');
    } finally {
      await one.withdrawals.close();
      slow.disconnect();
      path.close();
    }
  });

  it('a question repeated during a blip of the store must not take an hour-old call off the books', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await admitted(books.store, request('call-1', { state: 'reserved' }));
    await books.store.confirm(tenant, { sessionId: 'call-1' });
    books.clock.advance(3_600_000);
    await books.store.renew(tenant, { sessionId: 'call-1' });
    const hasty = new SessionStore({
      client: books.redis,
      deadlineMs: 50,
      tombstoneMs: 60_000,
      clockMs: () => books.clock.nowMs,
    });
    books.server.pause();
    try {
      await expect(hasty.admit(tenant, request('call-1'))).rejects.toMatchObject({ code: 'store-unavailable' });
    } finally {
      books.server.resume();
    }
    await eventually(() => hasty.withdrawals.pending === 0);
    await hasty.withdrawals.close();
    expect((await books.store.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
  });

  it('a withdrawn attempt 0 can be asked again', async () => {
    await books.store.limits.change(tenant, () => ({}));
    await admit(context(), request('call-1', { attempt: 0 }), options(7));
    expect(await takeBack(7, 0)).toBe('withdrawn');
    expect((await admit(context(), request('call-1', { attempt: 0 }), options(8))).kind).toBe('admitted');
  });

  it('and attempt 1 after it', async () => {
    await books.store.limits.change(tenant, () => ({}));
    expect(await takeBack(7, 0)).toBe('none');
    expect((await admit(context(), request('call-1', { attempt: 1 }), options(8))).kind).toBe('admitted');
  });

  it('two withdrawals of one id: the late admission of the first is refused too', async () => {
    await books.store.limits.change(tenant, () => ({}));
    expect(await takeBack(7)).toBe('none');
    expect(await takeBack(8)).toBe('none');
    expect((await admit(context(), request('call-1'), options(7))).kind).toBe('withdrawn');
  });

  it('a late, withdrawn admission must not take the ownership of the retry (whose own withdrawal then leaks the place)', async () => {
    await books.store.limits.change(tenant, () => ({}));
    expect(await takeBack(7)).toBe('none');
    await admit(context(), request('call-1'), options(8)); // retry: overwrites the stub and its token
    await admit(context(), request('call-1'), options(7)); // late
    await takeBack(8);
    expect(await books.redis.zcard(keys.deadlines)).toBe(0);
  });

  it('a late end of attempt 1 leaves the command and the tombstone of a killed attempt 2', async () => {
    await admitted(books.store, request('call-1', { attempt: 1 }));
    await admitted(books.store, request('call-1', { attempt: 2 }));
    await books.store.end(tenant, { sessionId: 'call-1' }, { reason: 'killed', by: 'berth' });
    expect(await books.redis.hlen(keys.commands('b2bua-1'))).toBe(1);
    await books.store.end(tenant, { sessionId: 'call-1' }, { ...byNode, attempt: 1 });
    expect([
      await books.redis.hlen(keys.commands('b2bua-1')),
      (await books.redis.pttl(keys.session('call-1'))) > 60_000,
    ]).toEqual([1, true]);
  });

  it('a user with one Call-ID and growing CSeq does not get call after call past the limit', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    const kinds: string[] = [];
    for (let attempt = 1; attempt <= 10; attempt++) {
      const { decision } = await books.store.admit(tenant, request('call-1', { attempt, state: 'reserved' }));
      kinds.push(decision.kind);
      await books.store.confirm(tenant, { sessionId: 'call-1' }, attempt); // answered: media flows
    }
    const granted = kinds.filter((k) => k === 'admitted').length;
    const told = await books.redis.hlen(keys.commands('b2bua-1'));
    expect({ granted, told }).not.toEqual({ granted: 10, told: 0 });
  });

  it('an undelivered attempt 2 does not take an answered attempt 1 off the books', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await admit(context(), request('call-1'), options(7));
    await admit(context(), request('call-1', { attempt: 2 }), options(8));
    await takeBack(8, 2);
    expect([await books.redis.zcard(keys.deadlines), await books.redis.hlen(keys.commands('b2bua-1'))]).not.toEqual([
      0, 0,
    ]);
  });

  it('event ids differ for different lives', async () => {
    await books.store.limits.change(tenant, () => ({}));
    await admit(context(), request('call-1'), options(7));
    await takeBack(7);
    books.clock.advance(500);
    await admit(context(), request('call-1'), options(8));
    await books.store.end(tenant, { sessionId: 'call-1' }, byNode);
    const ids = (await streamOf(books.redis, keys.events)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('the file layer comes back after a loss of everything, even if an API change is first', async () => {
    await books.store.limits.publishFile(tenant, { maxSessionsPerUser: 2 }, 'gw');
    await books.redis.flushall();
    await books.store.limits.change(tenant, (api) => ({ ...api, users: { bob: 3 } }));
    const kinds = [];
    for (let i = 0; i < 5; i++) kinds.push((await books.store.admit(tenant, request(`c${i}`))).decision.kind);
    expect(kinds.filter((k) => k === 'admitted')).toHaveLength(2);
  });

  it('one unreadable record does not stop the sweep of its shard', async () => {
    await admitted(books.store, request('a', { policy: { idleMs: 0, maxDurationMs: 1000, reservationMs: 0 } }));
    await admitted(books.store, request('b', { policy: { idleMs: 0, maxDurationMs: 1000, reservationMs: 0 } }));
    await books.redis.set(keys.session('a'), 'x');
    books.clock.advance(2000);
    const { ended } = await books.store.sweep(tenant, 0, 50);
    expect(ended.map(({ session }) => `${session.id} ${session.endReason}`).toSorted()).toEqual([
      'a reconciled',
      'b max_duration',
    ]);
  });
});
