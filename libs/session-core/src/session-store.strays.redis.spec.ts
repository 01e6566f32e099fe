import { beforeEach, describe, expect, it } from '@jest/globals';
import { shardKeys, shardOf } from './keys.js';
import { auditPass } from '../test/audit.fixture.js';
import { consistentBooks } from '../test/consistent.js';
import { admitted, keys, request, streamOf, tenant, useBooks } from '../test/fixture.js';

const lasting = (ms: number) => ({ policy: { idleMs: 0, maxDurationMs: ms, reservationMs: 1_000 } });

/** What may stand where a record belongs. */
const GARBAGE: [what: string, write: (redis: ReturnType<typeof useBooks>['redis'], key: string) => Promise<unknown>][] =
  [
    ['text', async (redis, key) => await redis.set(key, 'garbage')],
    ['nothing but bytes', async (redis, key) => await redis.set(key, Buffer.from([0, 1, 2, 0xc1, 0xff]))],
    ['the empty string', async (redis, key) => await redis.set(key, '')],
    [
      'a record of a later release',
      async (redis, key) => {
        const record = await redis.getBuffer(key);
        if (record === null) throw new Error('no record');
        const at = record.indexOf(0x9d, 6);
        record[at + 1] = 2;
        return await redis.set(key, record);
      },
    ],
    [
      'a hash',
      async (redis, key) => {
        await redis.del(key);
        return await redis.hset(key, 'a', 'b');
      },
    ],
    [
      'a list',
      async (redis, key) => {
        await redis.del(key);
        return await redis.rpush(key, 'a');
      },
    ],
  ];

describe('a record that is gone, its indices are not', () => {
  const books = useBooks();
  const endings = async () => (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'session.ended');

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
  });

  const decide = async (id: string, overrides = {}) =>
    (await books.store.admit(tenant, request(id, overrides))).decision;

  it('at a full limit of a user: ends as reconciled in the decision, which admits', async () => {
    const { session } = await admitted(books.store, request('a'));
    await books.redis.del(keys.session('a'));
    books.clock.advance(1_000);
    expect(await decide('b')).toMatchObject({ kind: 'admitted', limits: [{ max: 1, active: 1 }] });
    expect(await endings()).toEqual([
      expect.objectContaining({
        sessionId: 'a',
        user: 'alice',
        startedAt: String(session.startedAtMs),
        endedAt: String(books.clock.nowMs),
        reason: 'reconciled',
        userActive: '0',
        totalActive: '0',
      }),
    ]);
    expect(await books.redis.zrange(keys.userSessions('alice'), '0', '-1')).toEqual(['b']);
    expect(await books.redis.zrange(keys.deadlines, '0', '-1')).toEqual(['b']);
    expect(await books.redis.zrange(keys.users, '0', '-1', 'WITHSCORES')).toEqual(['alice', '1']);
  });

  it.each([
    ['a group', { groups: { trunk: { default: 1 } } }, { groups: ['trunk:west'] }],
    ['the total', { maxTotalSessions: 1 }, {}],
    ['the total that ends the oldest', { maxTotalSessions: 1, action: 'terminate_oldest' as const }, {}],
  ])('at a full limit of %s: likewise, whoever asks', async (_, limits, overrides) => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0, ...limits }));
    await admitted(books.store, request('a', overrides));
    await books.redis.del(keys.session('a'));
    books.clock.advance(1);
    expect(await decide('b', { user: 'bob', ...overrides })).toMatchObject({ kind: 'admitted', terminated: [] });
    expect(await endings()).toMatchObject([{ sessionId: 'a', user: 'alice', reason: 'reconciled' }]);
    expect(await books.redis.exists(keys.userSessions('alice'))).toBe(0);
  });

  it('at a full limit of 64: every one that is gone, and those that live keep their places', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 64 }));
    for (let i = 0; i < 64; i++) await admitted(books.store, request(`c${i}`));
    for (let i = 0; i < 64; i += 2) await books.redis.del(keys.session(`c${i}`));
    books.clock.advance(1);
    expect(await decide('next')).toMatchObject({ kind: 'admitted', limits: [{ max: 64, active: 33 }] });
    expect(await endings()).toHaveLength(32);
    await auditPass(books.redis, tenant, { clockMs: () => books.clock.nowMs });
    await consistentBooks(books.redis, tenant);
  });

  it('refuses all the same where the limit is full of what lives, and changes nothing for a check', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2, maxTotalSessions: 3 }));
    await admitted(books.store, request('a'));
    await admitted(books.store, request('b'));
    await admitted(books.store, request('x', { user: 'bob' }));
    await books.redis.del(keys.session('a'));
    expect(await books.store.check(tenant, request('c'))).toMatchObject({ kind: 'admitted' });
    expect(await endings()).toEqual([]);
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1, maxTotalSessions: 3 }));
    expect(await decide('c')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user', max: 1, active: 1 }] });
    expect(await endings()).toMatchObject([{ sessionId: 'a', reason: 'reconciled' }]);
    expect(await books.redis.zcard(keys.deadlines)).toBe(2);
  });

  it('of the session that is admitted again: the old one ends, the new one has the place', async () => {
    await admitted(books.store, request('a'));
    await books.redis.del(keys.session('a'));
    books.clock.advance(1);
    expect(await decide('a')).toMatchObject({ kind: 'admitted', repeated: false });
    expect(await endings()).toHaveLength(1);
    await consistentBooks(books.redis, tenant);
  });

  it('when it is due: the sweep ends it as reconciled, and its places come back', async () => {
    const { session } = await admitted(books.store, request('a', { ...lasting(1_000), groups: ['trunk:west'] }));
    await books.redis.del(keys.session('a'));
    books.clock.advance(1_000);
    const { ended } = await books.store.sweep(tenant, 0, 25);
    expect(ended).toMatchObject([{ session: { id: 'a', user: 'alice', endReason: 'reconciled' } }]);
    expect(await endings()).toMatchObject([
      {
        sessionId: 'a',
        user: 'alice',
        startedAt: String(session.startedAtMs),
        reason: 'reconciled',
        groupsActive: '{"trunk:west":0}',
      },
    ]);
    for (const key of [
      keys.userSessions('alice'),
      keys.groupSessions('trunk:west'),
      keys.deadlines,
      keys.users,
      keys.groups,
    ]) {
      expect(await books.redis.exists(key)).toBe(0);
    }
  });

  it('is left to the audit by the sweep where there are too many users to search, out of the way of what is due', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    await admitted(books.store, request('gone', lasting(1_000)));
    await admitted(books.store, request('due', { ...lasting(1_001), user: 'bob' }));
    for (let i = 0; i < 400; i++)
      for (const n of [1, 2]) await books.store.admit(tenant, request(`${i}-${n}`, { user: `u${i}` }));
    await books.redis.del(keys.session('gone'));
    books.clock.advance(2_000);
    expect((await books.store.sweep(tenant, 0, 1)).ended).toEqual([]);
    expect((await books.store.sweep(tenant, 0, 1)).ended).toMatchObject([{ session: { id: 'due' } }]);
    const pass = await auditPass(books.redis, tenant, { clockMs: () => books.clock.nowMs });
    expect(pass.ended).toMatchObject([{ id: 'gone', user: 'alice', endReason: 'reconciled' }]);
    await consistentBooks(books.redis, tenant);
  });

  it('with the end that its node reports, or an operator: ends with that reason, and the next call has the place', async () => {
    await admitted(books.store, request('a'));
    await books.redis.del(keys.session('a'));
    const ended = await books.store.end(tenant, { sessionId: 'a' }, { reason: 'completed', by: 'node', attempt: 1 });
    expect(ended).toMatchObject({ kind: 'now', session: { user: 'alice', endReason: 'completed' } });
    await admitted(books.store, request('b'));
    await books.redis.del(keys.session('b'));
    await auditPassOfRuns();
    await admitted(books.store, request('c', { user: 'carol' }));
    await books.redis.del(keys.session('c'));
    const killed = await books.store.end(tenant, { sessionId: 'c', user: 'carol' }, { reason: 'killed', by: 'berth' });
    expect(killed).toMatchObject({ kind: 'now', session: { user: 'carol', endReason: 'killed' } });
    expect((await endings()).map(({ sessionId, reason }) => [sessionId, reason])).toEqual([
      ['a', 'completed'],
      ['b', 'reconciled'],
      ['c', 'killed'],
    ]);
    await consistentBooks(books.redis, tenant);
  });
  const auditPassOfRuns = async () => await auditPass(books.redis, tenant, { clockMs: () => books.clock.nowMs });

  it('keeps an end of what nobody knows as it was: remembered, and no event', async () => {
    const outcome = await books.store.end(
      tenant,
      { sessionId: 'never', user: 'alice' },
      { reason: 'completed', by: 'node' },
    );
    expect(outcome.kind).toBe('unknown');
    expect(await endings()).toEqual([]);
  });

  it('of a node that was started anew: frees what the old run held', async () => {
    await admitted(books.store, request('a', { epoch: 1 }));
    await books.redis.del(keys.session('a'));
    await books.redis.zadd(keys.departed, 1, 'node_restarted:b2bua-1:1');
    const { drainRun } = await import('./scripts/drain-run.script.js');
    const context = { client: books.redis, tenant: tenant.name, shards: 1, shard: 0, clockMs: () => books.clock.nowMs };
    expect([...(await drainRun(context, 25, 60_000)).ended]).toMatchObject([
      { id: 'a', user: 'alice', node: 'b2bua-1', epoch: 1, endReason: 'reconciled' },
    ]);
    expect(await endings()).toMatchObject([{ sessionId: 'a', node: 'b2bua-1', user: 'alice' }]);
    expect(await books.redis.exists(keys.userSessions('alice'), keys.deadlines, keys.nodeSessions('b2bua-1', 1))).toBe(
      0,
    );
  });

  it('of a limit that is lowered: goes before anybody who lives', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 4 }));
    for (const id of ['a', 'b', 'c', 'd']) await admitted(books.store, request(id));
    await books.redis.del(keys.session('a'), keys.session('b'));
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 4, users: { alice: 2 } }));
    const { ended, over } = await books.store.trim(tenant, 'user:alice', 100, 'ops');
    expect([ended.map(({ id, endReason }) => `${id} ${endReason}`).toSorted(), over]).toEqual([
      ['a reconciled', 'b reconciled'],
      0,
    ]);
    await consistentBooks(books.redis, tenant);
  });

  it('whose call lives after all: its node keeps it, and its list brings it back whole', async () => {
    await admitted(books.store, request('a', { groups: ['trunk:west'] }));
    await books.redis.del(keys.session('a'));
    books.clock.advance(1);
    await auditPassOfRuns();
    expect(await books.store.renew(tenant, { sessionId: 'a' })).toEqual({ kind: 'unknown' });
    expect(await decide('a', { groups: ['trunk:west'] })).toMatchObject({ kind: 'admitted', repeated: false });
    await consistentBooks(books.redis, tenant);
  });

  describe.each(GARBAGE)('with %s in place of its record', (_, write) => {
    const spoil = async (id: string) => await write(books.redis, keys.session(id));

    it('can be killed, and its place is free', async () => {
      await admitted(books.store, request('a', { groups: ['trunk:west'] }));
      await spoil('a');
      expect(await books.store.get(tenant, { sessionId: 'a' })).toMatchObject({
        kind: 'unreadable',
        session: { id: 'a' },
      });
      expect(await decide('b')).toMatchObject({ kind: 'rejected' });
      const outcome = await books.store.end(tenant, { sessionId: 'a' }, { reason: 'killed', by: 'berth' });
      expect(outcome).toMatchObject({ kind: 'now', session: { user: 'alice', endReason: 'killed' } });
      expect(await decide('b')).toMatchObject({ kind: 'admitted' });
      await auditPassOfRuns();
      await consistentBooks(books.redis, tenant);
    });

    it('is not reconciled by the audit, nor written over by an admission, an activity or a list', async () => {
      await admitted(books.store, request('a'));
      await spoil('a');
      const before = await books.redis.dump(keys.session('a'));
      expect((await auditPassOfRuns()).ended).toEqual([]);
      expect(await decide('a')).toEqual({ kind: 'id-conflict' });
      expect(await books.store.renew(tenant, { sessionId: 'a' }, { bytesSent: 1 })).toEqual({ kind: 'unknown' });
      expect(await books.store.confirm(tenant, { sessionId: 'a' })).toEqual({ kind: 'unknown' });
      books.store.withdrawLater(tenant, request('a'), 1);
      await books.store.withdrawals.close();
      expect(await books.redis.dump(keys.session('a'))).toEqual(before);
      expect(await books.redis.zcard(keys.userSessions('alice'))).toBe(1);
    });

    it('ends when it is due', async () => {
      await admitted(books.store, request('a', lasting(1_000)));
      await spoil('a');
      books.clock.advance(1_000);
      expect(await decide('b')).toMatchObject({ kind: 'admitted' });
      expect(await endings()).toMatchObject([{ sessionId: 'a', reason: 'reconciled' }]);
    });
  });
});

describe('in a tenant of several shards', () => {
  const books = useBooks();
  const spread = { name: 'acme', shards: 3 };

  it('a session without a record, or with one that cannot be decoded, is found and killed without naming its user', async () => {
    const { store, redis } = books;
    await store.limits.change(spread, () => ({ maxSessionsPerUser: 1 }));
    for (const user of ['ann', 'ben', 'cid', 'dan']) {
      for (const spoil of [
        async (key: string) => await redis.del(key),
        async (key: string) => await redis.set(key, 'garbage'),
      ]) {
        await store.admit(spread, request(`of ${user}`, { user }));
        await spoil(shardKeys(spread, shardOf(spread, user)).session(`of ${user}`));
        const outcome = await store.end(
          spread,
          { sessionId: `of ${user}` },
          { reason: 'killed', by: 'berth', endedBy: 'ops' },
        );
        expect(outcome).toMatchObject({ kind: 'now', session: { user, endReason: 'killed', endedBy: 'ops' } });
        books.clock.advance(86_400_001);
        await redis.del(shardKeys(spread, shardOf(spread, user)).session(`of ${user}`));
      }
    }
    await consistentBooks(redis, spread);
  });
});
