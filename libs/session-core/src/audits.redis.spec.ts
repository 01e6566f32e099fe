import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { Audits } from './audits.js';
import { shardKeys, shardNumbers, type TenantRef } from './keys.js';
import { SessionStore } from './session-store.js';
import { auditPass, type Pass } from '../test/audit.fixture.js';
import { consistentBooks } from '../test/consistent.js';
import { admitted, keys, request, streamOf, tenant, useBooks } from '../test/fixture.js';

const NOTHING = { ended: 0, restored: 0, removed: 0, recounted: 0 };

describe('the audit', () => {
  const books = useBooks();
  const pass = async (options: { pieceMs?: number } = {}): Promise<Pass> =>
    await auditPass(books.redis, tenant, { clockMs: () => books.clock.nowMs, ...options });
  const endings = async () => (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'session.ended');

  beforeEach(async () => {
    await books.store.limits.change(tenant, () => ({
      maxSessionsPerUser: 0,
      maxTotalSessions: 500,
      totalAction: 'terminate_oldest',
    }));
  });

  /** Sessions of every sort: of users and without, of groups and without, ringing, idle, of nodes that are watched, of one that is not, of none. */
  async function fill(count = 24): Promise<void> {
    for (let i = 0; i < count; i++) {
      books.clock.advance(1);
      const wanted = request(`call ${i}`, {
        user: i % 6 === 5 ? '' : `user ${i % 4}`,
        node: i % 8 === 7 ? null : `node ${i % 3}`,
        epoch: i % 3 === 2 ? (i % 2 === 0 ? null : 7) : 1,
        groups: i % 2 === 0 ? [`trunk:${i % 5}`, 'site:a b'] : [],
        state: i % 7 === 0 ? 'reserved' : 'active',
        policy: { idleMs: i % 5 === 0 ? 60_000 : 0, maxDurationMs: i % 4 === 1 ? 0 : 600_000, reservationMs: 180_000 },
      });
      await admitted(books.store, wanted);
      if (i % 3 === 0) await books.store.renew(tenant, { sessionId: wanted.sessionId }, { bytesSent: i });
    }
    await books.redis.hset(keys.nodes, 'node 0', '1', 'node 1', '1 5');
  }

  it('finds nothing where indices and records agree, changes nothing, and rests until its time', async () => {
    await fill();
    const before = await contents(books.redis);
    expect((await pass()).found).toEqual(NOTHING);
    expect((await pass({ pieceMs: 0 })).found).toEqual(NOTHING);
    const after = await contents(books.redis);
    expect(after).toEqual(before);
    const audits = new Audits({ client: books.redis, deadlineMs: 1_000, clockMs: () => books.clock.nowMs });
    books.clock.advance(10_000);
    expect(await audits.piece(tenant, 0, { pieceMs: 1, restMs: 60_000 })).toEqual({ kind: 'resting', restMs: 50_000 });
    books.clock.advance(-20_000);
    expect((await audits.piece(tenant, 0, { pieceMs: 1, restMs: 60_000 })).kind).not.toBe('resting');
  });

  it('ends what has no record, in one event each, with user and start; drift says how many', async () => {
    await fill();
    const audits = new Audits({ client: books.redis, deadlineMs: 1_000 });
    await books.redis.del(
      keys.session('call 0'),
      keys.session('call 1'),
      keys.session('call 5'),
      keys.session('call 23'),
    );
    const { found, ended } = await pass();
    expect(found).toEqual({ ...NOTHING, ended: 4 });
    expect(ended.map(({ id, user, endReason }) => `${id} of ${user}: ${endReason}`).toSorted()).toEqual([
      'call 0 of user 0: reconciled',
      'call 1 of user 1: reconciled',
      'call 23 of : reconciled',
      'call 5 of : reconciled',
    ]);
    expect(await audits.drift(tenant)).toBe(4);
    expect(new Set((await endings()).map(({ sessionId }) => sessionId)).size).toBe(4);
    expect(await endings()).toHaveLength(4);
    await consistentBooks(books.redis, tenant);
    expect((await pass()).found).toEqual(NOTHING);
    expect(await audits.drift(tenant)).toBe(0);
  });

  const KEYS_OF_MANY = [
    'session',
    'traffic',
    'user_sessions',
    'group_sessions',
    'node_sessions',
    'node_runs',
    'commands',
  ];
  const SINGLE_KEYS = [
    'deadlines',
    'users',
    'groups',
    'started',
    'runs',
    'begun',
    'nodes',
    'departed',
    'pulse',
    'creations',
    'refusals',
    'commanded',
    'offers',
    'claims',
    'late',
    'audit',
    'strays',
    'rejections',
    'limits',
    'events',
  ] as const;
  type Kind = [kind: string, keysOf: () => Promise<string[]> | string[]];
  /** Each kind of key of a shard, as keys.ts has it, and what the audit makes of its loss: `whole` by default. */
  const KINDS: Kind[] = [
    ...KEYS_OF_MANY.map((kind): Kind => [kind, async () => await named(`${kind}:`)]),
    ...SINGLE_KEYS.map((kind): Kind => [kind, () => [keys[kind]]]),
    ['offers_due', () => [keys.offersDue]],
  ];
  const named = async (kind: string) =>
    (await books.redis.keys('*')).filter((key) => key.startsWith(keys.prefix + kind));

  describe.each(KINDS)('after the loss of %s under live sessions', (kind, keysOf) => {
    const lose = {
      deleted: async (key: string) => void (await books.redis.del(key)),
      'written over with text': async (key: string) => void (await books.redis.set(key, 'garbage')),
    };

    it.each(Object.entries(lose))(
      '%s: the books are whole within two passes, no live session ended, and calls are decided',
      async (how, take) => {
        await fill();
        await pass();
        const live = new Set(await books.redis.zrange(keys.deadlines, '0', '-1'));
        for (const key of await keysOf()) await take(key);
        const passes = [await pass(), await pass()];
        await books.store.limits.publish(tenant);
        await books.store.upkeep(tenant, 0, 100);
        const ended = passes.flatMap((one) => one.ended.map(({ id }) => id));
        const unreadable = kind === 'session' && how !== 'deleted';
        expect(new Set(ended)).toEqual(kind === 'session' && how === 'deleted' ? live : new Set());
        expect(ended).toHaveLength(new Set(ended).size);
        if (unreadable) {
          for (const sessionId of live) await books.store.end(tenant, { sessionId }, { reason: 'killed', by: 'berth' });
          await pass();
        }
        expect((await pass()).found).toEqual(NOTHING);
        const sessions = await consistentBooks(books.redis, tenant);
        expect(sessions).toHaveLength(kind === 'session' ? 0 : live.size);
        await consistentOrder();
        expect((await books.store.admit(tenant, request('next'))).decision.kind).toBe('admitted');
        for (const sessionId of live) await books.store.end(tenant, { sessionId }, { reason: 'completed', by: 'node' });
        await books.store.end(tenant, { sessionId: 'next' }, { reason: 'completed', by: 'node' });
        await pass();
        const left = (await books.redis.keys('*')).filter((key) =>
          /:(user_sessions|group_sessions|node_sessions|node_runs|traffic):|:(deadlines|users|groups|started|runs)$/.test(
            key,
          ),
        );
        expect(left).toEqual([]);
      },
    );
  });

  async function consistentOrder(): Promise<void> {
    const [due, ordered] = await Promise.all([
      books.redis.zrange(keys.deadlines, '0', '-1'),
      books.redis.zrange(keys.started, '0', '-1'),
    ]);
    expect(ordered.toSorted()).toEqual(due.toSorted());
  }

  it('puts right an entry that says another start, a number that is not the size, and a session that is in the set of another', async () => {
    await fill();
    await books.redis.zadd(keys.userSessions('user 0'), 7, 'call 0');
    await books.redis.zadd(keys.users, 99, 'user 1', 3, 'nobody');
    await books.redis.zadd(keys.groups, 99, 'trunk:0');
    await books.redis.zadd(keys.userSessions('user 2'), 7, 'call 0');
    await books.redis.zadd(keys.groupSessions('trunk:1'), 7, 'call 0');
    await books.redis.sadd(keys.nodeSessions('node 1', 1), 'call 0');
    expect((await pass()).ended).toEqual([]);
    await consistentBooks(books.redis, tenant);
    expect((await pass()).found).toEqual(NOTHING);
  });

  it('takes from the sets what a tombstone says has ended, without a second event', async () => {
    await fill(6);
    await books.store.end(tenant, { sessionId: 'call 0' }, { reason: 'completed', by: 'node' });
    await books.redis.zadd(keys.userSessions('user 0'), 7, 'call 0');
    await books.redis.zadd(keys.deadlines, 7, 'call 0');
    const { found, ended } = await pass();
    expect([found.removed > 0, ended]).toEqual([true, []]);
    expect((await endings()).map(({ reason }) => reason)).toEqual(['completed']);
    await consistentBooks(books.redis, tenant);
  });

  it.each([
    ['has restarted', '2', 'node_restarted'],
    ['is lost', '1 1 lost', 'node_lost'],
    ['has left', '1 0 left', 'completed'],
  ])(
    'sends what a run that is over held on its way again, when nobody remembers that it has departed: its node %s',
    async (_, run, reason) => {
      await fill();
      await books.redis.hset(keys.nodes, 'node 0', run);
      await pass();
      expect((await pass()).found).toEqual(NOTHING);
      expect(await books.redis.zrange(keys.departed, '0', '-1')).toEqual([`${reason}:node 0:1`]);
    },
  );

  it('brings a handover without its moment, and a command without its node, back to those who look for them', async () => {
    await fill();
    await books.redis.hset(keys.offers, 'call 0', '{}');
    await books.store.end(tenant, { sessionId: 'call 3' }, { reason: 'killed', by: 'berth' });
    await books.redis.del(keys.commanded);
    await pass();
    expect(await books.redis.zrange(keys.offersDue, '0', '-1')).toEqual(['call 0']);
    expect(await books.redis.zrange(keys.commanded, '0', '-1')).toEqual(['node 0']);
  });

  it('goes on where it stopped, also in another process, in pieces however small, while sessions come and go', async () => {
    await fill(120);
    for (let i = 0; i < 120; i += 3) await books.redis.del(keys.session(`call ${i}`));
    const audits = () => new Audits({ client: books.redis, deadlineMs: 1_000, clockMs: () => books.clock.nowMs });
    const ended: string[] = [];
    let pieces = 0;
    for (let passes = 0; passes < 2;) {
      const piece = await audits().piece(tenant, 0, { pieceMs: 0, restMs: 0 });
      if (piece.kind === 'resting') throw new Error('rests');
      ended.push(...Array.from(piece.ended, ({ id }) => id));
      pieces++;
      if (piece.kind === 'done') passes++;
      books.clock.advance(1);
      await admitted(books.store, request(`new-${pieces}`, { user: `user ${pieces % 50}`, node: 'node 0', epoch: 1 }));
      if (pieces % 2 === 0)
        await books.store.end(tenant, { sessionId: `new-${pieces - 1}` }, { reason: 'completed', by: 'node' });
    }
    expect(pieces).toBeGreaterThan(20);
    expect(ended.toSorted()).toEqual(Array.from({ length: 40 }, (_, i) => `call ${3 * i}`).toSorted());
    await consistentBooks(books.redis, tenant);
  });

  it('any number at once: each session ends once', async () => {
    await fill(60);
    for (let i = 0; i < 60; i += 2) await books.redis.del(keys.session(`call ${i}`));
    const passes = await Promise.all([pass({ pieceMs: 0 }), pass({ pieceMs: 0 }), pass()]);
    const ended = passes.flatMap((one) => one.ended.map(({ id }) => id));
    expect(ended.toSorted()).toEqual(Array.from({ length: 30 }, (_, i) => `call ${2 * i}`).toSorted());
    await consistentBooks(books.redis, tenant);
  });

  describe('what cannot be read is unknown, not gone', () => {
    afterEach(async () => {
      await books.redis.call('ACL', 'SETUSER', 'default', '+@all');
      await books.redis.config('SET', 'maxmemory', '0');
    });

    it('ends nothing while records may not be read', async () => {
      await fill();
      await books.redis.call('ACL', 'SETUSER', 'default', '-get', '-mget');
      await expect(pass()).rejects.toThrow();
      await expect(books.store.sweep(tenant, 0, 25)).resolves.toMatchObject({ ended: [] });
      books.clock.advance(700_000);
      await expect(books.store.sweep(tenant, 0, 25)).rejects.toThrow();
      await books.redis.call('ACL', 'SETUSER', 'default', '+get', '+mget');
      expect(await endings()).toEqual([]);
      expect(await books.redis.zcard(keys.deadlines)).toBe(24);
    });

    it('works when memory is full', async () => {
      await fill();
      await books.redis.del(keys.session('call 0'), keys.userSessions('user 1'));
      await books.redis.config('SET', 'maxmemory', '1mb');
      expect((await pass()).ended).toHaveLength(1);
      await books.redis.config('SET', 'maxmemory', '0');
      await consistentBooks(books.redis, tenant);
    });
  });
});

describe('the audit of several shards, after the server evicted what it liked', () => {
  const books = useBooks();
  const spread: TenantRef = { name: 'acme', shards: 3 };

  it('ends all that is gone and nothing that lives, and every place comes back', async () => {
    const { redis } = books;
    const store = new SessionStore({ client: redis, deadlineMs: 5_000, tombstoneMs: 60_000 });
    await store.limits.change(spread, () => ({ maxSessionsPerUser: 0 }));
    const text = 'x'.repeat(1_000);
    const admitAll = async (from: number, to: number) => {
      for (let i = from; i < to; i++) {
        const wanted = request(`c${i}`, { user: `u${i % 30}`, groups: [`trunk:${i % 5}`] });
        await store.admit(spread, { ...wanted, facts: { ...wanted.facts, metadata: { text } } }).catch(() => undefined);
      }
    };
    await admitAll(0, 400);
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru', 'maxmemory', String(used + 50_000));
    try {
      await admitAll(400, 900);
      expect(Number(/evicted_keys:(\d+)/.exec(await redis.info('stats'))?.[1])).toBeGreaterThan(0);
    } finally {
      await redis.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
    }
    await store.limits.publish(spread);
    const living = new Set<string>();
    for (let i = 0; i < 900; i++) {
      const found = await store.get(spread, { sessionId: `c${i}`, user: `u${i % 30}` });
      if (found.kind === 'live') living.add(`c${i}`);
    }
    // Where the list of users went, and the deadlines of all in a set, perhaps nothing leads to that set any more.
    const hardlyNamed: { users: string; name: string; set: string }[] = [];
    for (const shard of shardNumbers(spread)) {
      const { users, deadlines, userSessions } = shardKeys(spread, shard);
      for (const name of Array.from({ length: 30 }, (_, user) => `u${user}`)) {
        const members = await redis.zrange(userSessions(name), '0', '-1');
        const dues = members.length === 0 ? [] : await redis.zmscore(deadlines, ...members);
        const isListed = (await redis.zscore(users, name)) !== null;
        if (!isListed && dues.every((due) => due === null)) hardlyNamed.push({ users, name, set: userSessions(name) });
      }
    }
    // What is found by the last index that names it may be lacking in those that were gone through before.
    for (let passes = 0; passes < 4; passes++) await auditPass(redis, spread);
    // To find those that no other index has named takes going through all keys.
    for (const { users, name, set } of hardlyNamed) {
      if ((await redis.zscore(users, name)) === null) await redis.del(set);
    }
    const found = await consistentBooks(redis, spread);
    // What no index and no list names any more cannot be found without going through all keys.
    expect(found.map(({ session }) => session.id).filter((id) => !living.has(id))).toEqual([]);
    for (const shard of shardNumbers(spread)) {
      const entries = await streamOf(redis, shardKeys(spread, shard).events);
      const ids = entries
        .filter(({ type, reason }) => type === 'session.ended' && reason === 'reconciled')
        .map(({ sessionId }) => sessionId);
      expect(ids.filter((id) => id !== undefined && living.has(id))).toEqual([]);
    }
    for (const { session } of found) {
      expect(
        (await store.end(spread, { sessionId: session.id, user: session.user }, { reason: 'completed', by: 'node' }))
          .kind,
      ).toBe('now');
    }
    await auditPass(redis, spread);
    const left = (await redis.keys('*')).filter((key) =>
      /:(user_sessions|group_sessions|node_sessions):|:(deadlines|users|groups)$/.test(key),
    );
    expect(left).toEqual([]);
  }, 60_000);
});

/** Every key but the audit's own, with what it holds; of a set its members in an order of their own. */
async function contents(redis: Redis): Promise<[string, unknown][]> {
  const all = (await redis.keys('*')).filter((key) => key !== keys.audit).toSorted();
  return await Promise.all(
    all.map(async (key): Promise<[string, unknown]> => {
      const isSet = (await redis.type(key)) === 'set';
      return [key, isSet ? (await redis.smembers(key)).toSorted() : await redis.dumpBuffer(key)];
    }),
  );
}
