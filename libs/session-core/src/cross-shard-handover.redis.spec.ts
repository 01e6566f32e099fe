import { describe, expect, it } from '@jest/globals';
import { shardKeys } from './keys.js';
import { closeOffer, OFFER_LEASE_MS, resumeOffer } from './scripts/offer.script.js';
import { SessionStore } from './session-store.js';
import { streamOf } from '../test/fixture.js';
import { acme, BY_NODE, ONE, TWO, ZERO, useShards } from '../test/transfer-shards.fixture.js';

describe('a handover to another shard', () => {
  const { books, context, ref, admit, authenticate, transfer, repair, where, eventsOf, typesOf, offered, claimed } =
    useShards();
  it('moves an authenticated session to the shard of its user; start, deadlines and totals go along', async () => {
    const policy = { idleMs: 20_000, maxDurationMs: 60_000, reservationMs: 0 };
    await admit('s', '', { policy });
    books.clock.advance(2_000);
    await books.store.renew(acme, ref(), { bytesSent: 7 });
    const before = await books.store.get(acme, ref());
    books.clock.advance(1_000);
    const outcome = await authenticate('s', ONE);
    expect(outcome).toMatchObject({ kind: 'live', changed: true, limits: [{ key: ONE, max: 2, active: 1 }] });
    expect(outcome).toMatchObject({ session: { ...(before.kind === 'live' && before.session), user: ONE } });
    expect(await where()).toEqual([[1, 's', ONE]]);
    expect(await authenticate('s', ONE)).toMatchObject({ kind: 'live', changed: false });
    expect(await authenticate('s', TWO)).toEqual({ kind: 'id-conflict' });
  });

  it('tells history of one session: authenticated here, moved away there, ended once', async () => {
    await admit('s', '');
    await authenticate('s', ONE);
    await books.store.end(acme, ref(), BY_NODE);
    expect(await typesOf(0)).toEqual(['session.admitted', 'session.moved']);
    expect(await typesOf(1)).toEqual(['session.authenticated', 'session.ended']);
    expect((await eventsOf(0))[1]).toMatchObject({ sessionId: 's', user: '', toUser: ONE, totalActive: '0' });
  });

  it('transfers to a user of another shard, with a new id: the old id has ended, and says where it went', async () => {
    await admit('s', ONE);
    expect(await transfer('s', { user: TWO, newId: 't' })).toMatchObject({
      kind: 'live',
      changed: true,
      session: { id: 't', user: TWO, node: 'b2bua-2', epoch: 7, attempt: 1 },
    });
    expect(await where()).toEqual([[2, 't', TWO]]);
    expect(await books.store.get(acme, ref())).toMatchObject({ kind: 'ended', session: { endReason: 'transferred' } });
    expect(await eventsOf(1)).toMatchObject([
      { type: 'session.admitted' },
      { type: 'session.ended', reason: 'transferred' },
    ]);
    expect(await eventsOf(2)).toMatchObject([
      { type: 'session.transferred', fromUser: ONE, fromId: 's', fromNode: 'b2bua-1' },
    ]);
    expect(await transfer('s', { user: TWO, newId: 't' })).toMatchObject({ kind: 'live', changed: false });
    expect(await transfer('s', { user: TWO })).toMatchObject({ kind: 'ended' });
  });

  it('is refused by a full limit, a taken or ended new id, and a run that is over; then nothing has changed', async () => {
    await admit('s', ONE);
    await admit('x', TWO);
    await admit('y', TWO);
    await books.store.end(acme, { sessionId: 'over', user: TWO }, BY_NODE);
    await books.redis.hset(shardKeys(acme, 2).nodes, 'b2bua-2', '8');
    expect(await transfer('s', { user: TWO, epoch: null })).toMatchObject({
      kind: 'rejected',
      limits: [{ key: TWO, max: 2 }],
    });
    expect(await streamOf(books.redis, shardKeys(acme, 2).rejections)).toEqual([
      expect.objectContaining({ sessionId: 's', user: TWO, sourceIp: '192.0.2.10', protocol: 'sip' }),
    ]);
    expect(await transfer('s', { user: TWO, newId: 'x', epoch: 8 })).toEqual({ kind: 'new-id-taken' });
    expect(await transfer('s', { user: TWO, newId: 'over', epoch: 8 })).toEqual({ kind: 'new-id-ended' });
    expect(await transfer('s', { user: TWO })).toEqual({ kind: 'stale-epoch', currentEpoch: 8 });
    expect(await where()).toEqual([
      [1, 's', ONE],
      [2, 'x', TWO],
      [2, 'y', TWO],
    ]);
    expect(await books.redis.exists(shardKeys(acme, 1).offers)).toBe(0);
  });

  it('never exceeds the limit under 30 at once', async () => {
    for (let i = 0; i < 30; i++) await admit(`s${i}`, '');
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, i) => authenticate(`s${i}`, ONE)));
    expect(outcomes.filter(({ kind }) => kind === 'live')).toHaveLength(2);
    expect((await where()).filter(([, , user]) => user === ONE)).toHaveLength(2);
    expect(await where()).toHaveLength(30);
  });

  it('evicts in the new shard where that is the policy', async () => {
    await books.store.limits.change(acme, (api) => ({ ...api, action: 'terminate_oldest' }));
    for (const id of ['a', 'b', 's']) {
      await admit(id, id === 's' ? '' : ONE);
      books.clock.advance(1);
    }
    expect(await authenticate('s', ONE)).toMatchObject({ kind: 'live', terminated: [{ id: 'a' }] });
    expect(await where()).toEqual([
      [1, 'b', ONE],
      [1, 's', ONE],
    ]);
  });

  it('comes back to a shard that it left', async () => {
    await admit('s', ONE);
    for (const user of [TWO, ONE, ZERO, TWO, ONE]) {
      expect(await transfer('s', { user })).toMatchObject({ kind: 'live', changed: true, session: { user } });
    }
    expect(await where()).toEqual([[1, 's', ONE]]);
    expect(await admit('s', ONE)).toMatchObject({ kind: 'admitted', repeated: true });
  });

  it('is found by its id and by the hint of its old user', async () => {
    await admit('s', ONE);
    await transfer('s', { user: TWO });
    for (const user of [undefined, ONE, TWO]) {
      const named = { sessionId: 's', ...(user !== undefined && { user }) };
      expect(await books.store.renew(acme, named)).toMatchObject({ kind: 'live', session: { user: TWO } });
    }
    expect(await books.store.end(acme, { sessionId: 's', user: ONE }, BY_NODE)).toMatchObject({ kind: 'now' });
    expect(await where()).toEqual([]);
  });

  it('leaves the answers to a retry of its admission as they are in one shard', async () => {
    await admit('s', '');
    await authenticate('s', ONE);
    expect(await admit('s', '')).toMatchObject({ kind: 'admitted', repeated: true, session: { user: ONE } });
    await transfer('s', { user: TWO });
    expect(await admit('s', '')).toMatchObject({ kind: 'admitted', repeated: true, session: { user: TWO } });
    expect(await admit('s', ONE)).toEqual({ kind: 'id-conflict' });
    await books.store.end(acme, ref(), BY_NODE);
    for (const user of ['', ONE, TWO]) expect(await admit('s', user)).toMatchObject({ kind: 'ended' });
  });

  it('asked for at once, to one user or to two: it is with one of them, once', async () => {
    for (let round = 0; round < 20; round++) {
      const id = `s${round}`;
      await books.store.limits.change(acme, () => ({ maxSessionsPerUser: 0 }));
      await admit(id, ZERO);
      const users = round % 2 === 0 ? [ONE, ONE, ONE] : [ONE, TWO, ONE];
      const outcomes = await Promise.all(users.map((user) => transfer(id, { user })));
      expect(outcomes.map(({ kind }) => kind)).toEqual(['live', 'live', 'live']);
      expect((await where()).filter(([, name]) => name === id)).toHaveLength(1);
    }
  });

  it('takes along what happens in the old shard between the last two steps', async () => {
    const policy = { idleMs: 60_000, maxDurationMs: 0, reservationMs: 30_000 };
    await admit('s', '', { state: 'reserved', policy });
    const { redis } = books;
    const original = redis.callBuffer.bind(redis);
    const before = async (list: unknown[]) => {
      if (!list.includes('claimed')) return;
      redis.callBuffer = original;
      await books.store.confirm(acme, { sessionId: 's', user: ZERO });
      await books.store.renew(acme, { sessionId: 's', user: ZERO }, { bytesSent: 11 });
    };
    redis.callBuffer = (async (command: string, list: (string | number | Buffer)[]) => {
      await before(list);
      return await original(command, list);
    }) as typeof redis.callBuffer;
    expect(await authenticate('s', ONE)).toMatchObject({ kind: 'live', session: { state: 'active', bytesSent: 11 } });
    expect(await where()).toEqual([[1, 's', ONE]]);
    expect(await books.store.get(acme, ref())).toMatchObject({ session: { state: 'active', bytesSent: 11 } });
  });

  it('is completed once, however many repair it, at once and with a store each', async () => {
    await books.store.limits.change(acme, () => ({ maxSessionsPerUser: 0 }));
    for (let i = 0; i < 10; i++) {
      await admit(`s${i}`, '');
      const first = await offered(0, { kind: 'authenticated', user: i % 2 === 0 ? ONE : TWO }, `s${i}`);
      if (i % 3 === 0) await claimed(0, first);
    }
    books.clock.advance(OFFER_LEASE_MS);
    const stores = Array.from({ length: 4 }, () => {
      const { redis: client, clock } = books;
      return new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000, clockMs: () => clock.nowMs });
    });
    await Promise.all(stores.map((store) => store.transfers.repair(acme, 0, 10)));
    await repair();
    expect((await where()).map(([shard]) => shard)).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    const events = [...(await eventsOf(1)), ...(await eventsOf(2))];
    expect(events.filter(({ type }) => type === 'session.authenticated')).toHaveLength(10);
  });

  it('cannot be closed by another handover of the same session', async () => {
    await admit('s', '');
    const first = await offered(0, { kind: 'authenticated', user: ONE });
    const other = { ...first.offer, token: 43 };
    expect(await closeOffer(context(0), other, { how: 'declined' }, 60_000)).toEqual({ kind: 'gone' });
    expect(await resumeOffer(context(0), 's')).toMatchObject({ kind: 'offered', offer: { token: 42 } });
  });

  it('leaves nothing behind once the sweep has forgotten its claim', async () => {
    await admit('s', '');
    await authenticate('s', ONE);
    const { claims } = shardKeys(acme, 1);
    expect(await books.redis.zcard(claims)).toBe(1);
    await repair();
    expect(await books.redis.zcard(claims)).toBe(1);
    books.clock.advance(300_000);
    await repair();
    expect(await books.redis.exists(claims)).toBe(0);
  });
});
