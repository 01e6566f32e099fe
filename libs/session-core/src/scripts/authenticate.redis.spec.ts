import { beforeEach, describe, expect, it } from '@jest/globals';
import { admitted, keys, request, streamOf, tenant, useBooks } from '../../test/fixture.js';

const BY_NODE = { reason: 'completed', by: 'node' } as const;

describe('authenticate', () => {
  const books = useBooks();
  const ref = { sessionId: 'ssh-1' };
  const authenticate = (sessionId: string, user: string, attempt?: number) =>
    books.store.transfers.authenticate(tenant, { sessionId }, user, attempt);
  const connect = (sessionId: string, overrides = {}) =>
    admitted(books.store, request(sessionId, { user: '', ...overrides }));
  const idsOf = (user: string) => books.redis.zrange(keys.userSessions(user), '0', '-1');

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2 }));
  });

  it('gives a session without a user one; start, deadlines, node, groups and totals stay', async () => {
    const { session: before } = await connect('ssh-1', {
      groups: ['trunk:west'],
      policy: { idleMs: 10_000, maxDurationMs: 60_000, reservationMs: 0 },
    });
    books.clock.advance(2_000);
    await books.store.renew(tenant, ref, { bytesSent: 7 });
    books.clock.advance(1_000);

    const outcome = await authenticate('ssh-1', 'alice');

    expect(outcome).toMatchObject({
      kind: 'live',
      changed: true,
      limits: [{ scope: 'user', key: 'alice', max: 2, active: 1 }],
      session: {
        ...before,
        user: 'alice',
        bytesSent: 7,
        lastActivityAtMs: before.startedAtMs + 2_000,
        expiresAtMs: before.startedAtMs + 12_000,
      },
    });
    expect(await books.redis.zrange(keys.userSessions('alice'), '0', '-1', 'WITHSCORES')).toEqual([
      'ssh-1',
      String(before.startedAtMs),
    ]);
    expect(await books.redis.zrange(keys.users, '0', '-1', 'WITHSCORES')).toEqual(['alice', '1']);
    expect(await books.redis.zrange(keys.groupSessions('trunk:west'), '0', '-1')).toEqual(['ssh-1']);
  });

  it('tells the outbox once, with the counts, and answers the same again', async () => {
    await connect('ssh-1');
    await authenticate('ssh-1', 'alice');
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ kind: 'live', changed: false });
    const told = (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'session.authenticated');
    expect(told).toEqual([expect.objectContaining({ fromUser: '', userActive: '1', totalActive: '1' })]);
    expect(JSON.parse(told[0]?.['session'] ?? '')).toMatchObject({ id: 'ssh-1', user: 'alice' });
  });

  it('keeps a reserved session reserved', async () => {
    await connect('ssh-1', { state: 'reserved' });
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ session: { state: 'reserved' } });
  });

  it('refuses when the user has no place left, says so in the rejections, and changes nothing', async () => {
    for (const id of ['a', 'b']) await admitted(books.store, request(id));
    await connect('ssh-1');
    const dump = await books.redis.dump(keys.session('ssh-1'));
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({
      kind: 'rejected',
      limits: [{ key: 'alice', max: 2, active: 2 }],
    });
    expect(await books.redis.dump(keys.session('ssh-1'))).toEqual(dump);
    expect(await streamOf(books.redis, keys.rejections)).toMatchObject([{ sessionId: 'ssh-1', user: 'alice' }]);
    await books.store.end(tenant, { sessionId: 'a' }, BY_NODE);
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ kind: 'live' });
  });

  it('never exceeds the limit under 50 at once', async () => {
    for (let i = 0; i < 50; i++) await connect(`s${i}`);
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, i) => authenticate(`s${i}`, 'alice')));
    expect(outcomes.filter(({ kind }) => kind === 'live')).toHaveLength(2);
    expect(outcomes.filter(({ kind }) => kind === 'rejected')).toHaveLength(48);
  });

  it('evicts the oldest where that is the policy, in the same step, with event and command', async () => {
    await books.store.limits.change(tenant, (api) => ({ ...api, action: 'terminate_oldest' }));
    for (const id of ['a', 'b']) {
      await admitted(books.store, request(id));
      books.clock.advance(1);
    }
    await connect('ssh-1');
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({
      kind: 'live',
      limits: [{ max: 2, active: 2 }],
      terminated: [{ id: 'a', node: 'b2bua-1' }],
    });
    expect(await idsOf('alice')).toEqual(['b', 'ssh-1']);
    expect(await books.redis.hkeys(keys.commands('b2bua-1'))).toEqual(['a']);
    const types = (await streamOf(books.redis, keys.events)).slice(-2).map(({ type, reason }) => [type, reason]);
    expect(types).toEqual([
      ['session.ended', 'evicted'],
      ['session.authenticated', undefined],
    ]);
  });

  it('ends what is due of a full limit first', async () => {
    const short = { policy: { idleMs: 0, maxDurationMs: 1_000, reservationMs: 0 } };
    await admitted(books.store, request('a', short));
    await admitted(books.store, request('b'));
    await connect('ssh-1');
    books.clock.advance(1_000);
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ kind: 'live', terminated: [] });
    expect(await idsOf('alice')).toEqual(['b', 'ssh-1']);
  });

  it('lets an emergency session pass, as overshoot', async () => {
    for (const id of ['a', 'b']) await admitted(books.store, request(id));
    await connect('ssh-1', { priority: 'emergency' });
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ kind: 'live', limits: [{ max: 2, active: 3 }] });
    expect((await streamOf(books.redis, keys.events)).at(-1)).toMatchObject({
      overshoot: 'emergency',
      userActive: '3',
    });
  });

  it('refuses another user than the one that it has', async () => {
    await connect('ssh-1');
    await authenticate('ssh-1', 'alice');
    expect(await authenticate('ssh-1', 'bob')).toEqual({ kind: 'id-conflict' });
  });

  it('tells ended from unknown, and an earlier attempt has ended', async () => {
    await connect('ssh-1', { attempt: 2 });
    expect(await authenticate('ssh-1', 'alice', 1)).toEqual({ kind: 'ended', session: null });
    await books.store.end(tenant, ref, BY_NODE);
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ kind: 'ended', session: { endReason: 'completed' } });
    expect(await authenticate('nobody', 'alice')).toEqual({ kind: 'unknown' });
  });

  it('ends a session that is due instead', async () => {
    await connect('ssh-1', { policy: { idleMs: 0, maxDurationMs: 1_000, reservationMs: 0 } });
    books.clock.advance(1_000);
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({
      kind: 'ended',
      session: { endReason: 'max_duration' },
    });
    expect(await idsOf('alice')).toEqual([]);
  });

  it('leaves the answer to a retry of its admission without a user as it was', async () => {
    await connect('ssh-1');
    await authenticate('ssh-1', 'alice');
    const { decision } = await books.store.admit(tenant, request('ssh-1', { user: '' }));
    expect(decision).toMatchObject({ kind: 'admitted', repeated: true, session: { user: 'alice' } });
    expect(await books.redis.zcard(keys.deadlines)).toBe(1);
  });

  it('finds limits that a shard has lost', async () => {
    await connect('ssh-1');
    await books.redis.del(keys.limits);
    expect(await authenticate('ssh-1', 'alice')).toMatchObject({ kind: 'live', limits: [{ max: 2 }] });
  });
});
