import { beforeEach, describe, expect, it } from '@jest/globals';
import { admitted, keys, request, streamOf, tenant, useBooks } from '../../test/fixture.js';
import type { Session } from '../model/session.js';
import type { TransferTarget } from '../model/transfer.js';

const BY_NODE = { reason: 'completed', by: 'node' } as const;
const OLD_EPOCH = 1_763_700_000_000;

describe('transfer', () => {
  const books = useBooks();
  const transfer = (target: Partial<TransferTarget> = {}, sessionId = 'call-1', attempt?: number) =>
    books.store.transfers.transfer(tenant, { sessionId }, { node: 'b2bua-2', epoch: 7, ...target }, attempt);
  const get = (sessionId: string) => books.store.get(tenant, { sessionId });
  const events = async (type: string) =>
    (await streamOf(books.redis, keys.events)).filter((event) => event['type'] === type);
  const members = (key: string) => books.redis.zrange(key, '0', '-1');

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2 }));
  });

  it('moves a session to another node; user, start, deadlines, totals and groups stay', async () => {
    const { session: before } = await admitted(books.store, request('call-1', { groups: ['trunk:west'] }));
    await books.store.renew(tenant, { sessionId: 'call-1' }, { bytesSent: 9, channels: [] });
    books.clock.advance(5_000);
    const outcome = await transfer();
    const session = { ...before, node: 'b2bua-2', epoch: 7, bytesSent: 9 };
    expect(outcome).toMatchObject({ kind: 'live', changed: true, session, terminated: [] });
    expect(await books.redis.smembers(keys.nodeSessions('b2bua-2', 7))).toEqual(['call-1']);
    expect(await books.redis.exists(keys.nodeSessions('b2bua-1', OLD_EPOCH))).toBe(0);
    expect(await members(keys.userSessions('alice'))).toEqual(['call-1']);
    expect(await members(keys.groupSessions('trunk:west'))).toEqual(['call-1']);
    expect(await books.redis.zrange(keys.users, '0', '-1', 'WITHSCORES')).toEqual(['alice', '1']);
    expect(await books.redis.zcard(keys.deadlines)).toBe(1);
  });

  it('tells the outbox what changed, once, and answers the same again; the old node gets no command', async () => {
    await admitted(books.store, request('call-1'));
    await transfer();
    expect(await transfer()).toMatchObject({ kind: 'live', changed: false, session: { node: 'b2bua-2', epoch: 7 } });
    const told = await events('session.transferred');
    expect(told).toEqual([
      expect.objectContaining({
        fromNode: 'b2bua-1',
        fromEpoch: String(OLD_EPOCH),
        userActive: '1',
        totalActive: '1',
      }),
    ]);
    expect(told[0]).not.toHaveProperty('fromUser');
    expect(told[0]).not.toHaveProperty('fromId');
    expect(JSON.parse(told[0]?.['session'] ?? '')).toMatchObject({ id: 'call-1', node: 'b2bua-2', epoch: 7 });
    expect(await events('session.ended')).toEqual([]);
    expect(await books.redis.exists(keys.commands('b2bua-1'))).toBe(0);
  });

  it('passes on what is reported under the old id, by activity or with an end; it is no sign of life', async () => {
    const policy = { idleMs: 60_000, maxDurationMs: 0, reservationMs: 0 };
    await admitted(books.store, request('call-1', { policy }));
    await books.store.renew(tenant, { sessionId: 'call-1' }, { bytesSent: 9 });
    await transfer({ newId: 'call-2' });
    const before = await get('call-2');
    books.clock.advance(1_000);
    expect(await books.store.renew(tenant, { sessionId: 'call-1' }, { bytesSent: 500 })).toMatchObject({
      kind: 'ended',
    });
    await books.store.end(tenant, { sessionId: 'call-1' }, { ...BY_NODE, totals: { bytesReceived: 40 } });
    const { lastActivityAtMs, expiresAtMs } = (before as { session: Session }).session;
    expect(await get('call-2')).toMatchObject({
      kind: 'live',
      session: { bytesSent: 500, bytesReceived: 40, lastActivityAtMs, expiresAtMs },
    });
    expect(await events('session.totals')).toEqual([]);
  });

  it('takes a node without an epoch', async () => {
    await admitted(books.store, request('call-1'));
    expect(await transfer({ epoch: null })).toMatchObject({ session: { node: 'b2bua-2', epoch: null } });
    expect(await transfer({ epoch: null })).toMatchObject({ changed: false });
    expect(await books.redis.smembers(keys.nodeSessions('b2bua-2', 0))).toEqual(['call-1']);
  });

  it('with a new id: the old one has ended, and the place is the same one', async () => {
    await admitted(books.store, request('call-1', { attempt: 102 }));
    await admitted(books.store, request('other'));
    await books.store.renew(tenant, { sessionId: 'call-1' }, { bytesSent: 5 });
    const outcome = await transfer({ newId: 'call-2' });
    expect(outcome).toMatchObject({
      kind: 'live',
      session: { id: 'call-2', attempt: 1, bytesSent: 5, node: 'b2bua-2' },
    });
    expect(await get('call-1')).toMatchObject({ kind: 'ended', session: { endReason: 'transferred', bytesSent: 0 } });
    expect(await members(keys.userSessions('alice'))).toEqual(['call-2', 'other']);
    expect(await members(keys.deadlines)).toHaveLength(2);
    expect(await books.redis.keys('*traffic*')).toEqual([keys.traffic('call-2')]);
    expect(await events('session.ended')).toMatchObject([{ sessionId: 'call-1', reason: 'transferred' }]);
    expect((await events('session.ended'))[0]).not.toHaveProperty('bytesSent');
    expect(await events('session.transferred')).toMatchObject([
      { fromId: 'call-1', userActive: '2', totalActive: '2' },
    ]);
    expect(await books.store.end(tenant, { sessionId: 'call-2' }, { ...BY_NODE, attempt: 1 })).toMatchObject({
      kind: 'now',
    });
  });

  it('with a new id: the same again answers the session, also when the tombstone is gone, until it has ended', async () => {
    await admitted(books.store, request('call-1'));
    await transfer({ newId: 'call-2' });
    const again = { kind: 'live', changed: false, session: { id: 'call-2' } };
    expect(await transfer({ newId: 'call-2' })).toMatchObject(again);
    await books.redis.del(keys.session('call-1'));
    expect(await transfer({ newId: 'call-2' })).toMatchObject(again);
    expect(await transfer({ newId: 'call-2', node: 'b2bua-3' })).toEqual({ kind: 'unknown' });
    expect(await transfer({ newId: 'call-3' })).toEqual({ kind: 'unknown' });
    expect(await events('session.transferred')).toHaveLength(1);
  });

  it('with a new id that has ended since: the old one has ended', async () => {
    await admitted(books.store, request('call-1'));
    await transfer({ newId: 'call-2' });
    await books.store.end(tenant, { sessionId: 'call-2' }, BY_NODE);
    expect(await transfer({ newId: 'call-2' })).toMatchObject({ kind: 'ended', session: { endReason: 'transferred' } });
  });

  it('with a new id that is taken, or has ended: nothing changes', async () => {
    for (const id of ['call-1', 'taken']) await admitted(books.store, request(id));
    await books.store.end(tenant, { sessionId: 'over' }, BY_NODE);
    expect(await transfer({ newId: 'taken' })).toEqual({ kind: 'new-id-taken' });
    expect(await transfer({ newId: 'over' })).toEqual({ kind: 'new-id-ended' });
    expect(await get('call-1')).toMatchObject({ kind: 'live', session: { node: 'b2bua-1' } });
  });

  it('to another user takes a place of that user, and gives one back', async () => {
    await admitted(books.store, request('call-1'));
    await admitted(books.store, request('bobs', { user: 'bob' }));
    const outcome = await transfer({ user: 'bob' });
    expect(outcome).toMatchObject({
      kind: 'live',
      session: { user: 'bob' },
      limits: [{ key: 'bob', max: 2, active: 2 }],
    });
    expect(await books.redis.zrange(keys.users, '0', '-1', 'WITHSCORES')).toEqual(['bob', '2']);
    expect(await events('session.transferred')).toMatchObject([
      { fromUser: 'alice', fromUserActive: '0', userActive: '2', totalActive: '2' },
    ]);
  });

  it('to a user without room is refused, and nothing changes', async () => {
    await admitted(books.store, request('call-1'));
    for (const id of ['b1', 'b2']) await admitted(books.store, request(id, { user: 'bob' }));
    expect(await transfer({ user: 'bob' })).toMatchObject({
      kind: 'rejected',
      limits: [{ key: 'bob', max: 2, active: 2 }],
    });
    expect(await get('call-1')).toMatchObject({ session: { user: 'alice', node: 'b2bua-1' } });
  });

  it('with the same user asks no limit: a full one, or one that was lowered, does not stop it', async () => {
    for (const id of ['call-1', 'b']) await admitted(books.store, request(id));
    await books.store.limits.change(tenant, (api) => ({ ...api, maxSessionsPerUser: 1 }));
    expect(await transfer({ user: 'alice' })).toMatchObject({ kind: 'live', session: { node: 'b2bua-2' } });
  });

  it('refuses a run that is lost or old, and puts a newer one into force', async () => {
    await admitted(books.store, request('call-1'));
    await books.redis.hset(keys.nodes, 'b2bua-2', '7 1 lost');
    expect(await transfer({ epoch: 7 })).toEqual({ kind: 'stale-epoch', currentEpoch: 7 });
    expect(await transfer({ epoch: 6 })).toEqual({ kind: 'stale-epoch', currentEpoch: 7 });
    expect(await transfer({ epoch: 8 })).toMatchObject({ kind: 'live', session: { epoch: 8 } });
    expect(await books.redis.hget(keys.nodes, 'b2bua-2')).toBe('8');
    expect(await members(keys.departed)).toEqual(['node_restarted:b2bua-2:7']);
  });

  it('takes a session over from a run that is lost, before it has ended there', async () => {
    await admitted(books.store, request('call-1'));
    await books.redis.hset(keys.nodes, 'b2bua-1', `${OLD_EPOCH} 1 lost`);
    expect(await transfer()).toMatchObject({ kind: 'live', session: { node: 'b2bua-2' } });
  });

  it('tells ended from unknown, and an earlier attempt has ended', async () => {
    await admitted(books.store, request('call-1', { attempt: 2 }));
    expect(await transfer({}, 'call-1', 1)).toEqual({ kind: 'ended', session: null });
    await books.store.end(tenant, { sessionId: 'call-1' }, BY_NODE);
    expect(await transfer()).toMatchObject({ kind: 'ended', session: { endReason: 'completed' } });
    expect(await transfer({}, 'nobody')).toEqual({ kind: 'unknown' });
  });

  it('is hung up by its new node once Berth ends it', async () => {
    await admitted(books.store, request('call-1'));
    await transfer({ newId: 'call-2' });
    await books.store.end(tenant, { sessionId: 'call-2' }, { reason: 'killed', by: 'berth' });
    expect(await books.redis.keys('*commands:*')).toEqual([keys.commands('b2bua-2')]);
  });

  it('works where memory is full', async () => {
    await admitted(books.store, request('call-1'));
    await books.redis.config('SET', 'maxmemory', '1mb');
    try {
      expect(await transfer({ newId: 'call-2' })).toMatchObject({ kind: 'live' });
    } finally {
      await books.redis.config('SET', 'maxmemory', '0');
    }
  });
});
