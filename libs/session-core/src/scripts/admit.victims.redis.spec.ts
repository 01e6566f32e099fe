import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inForm } from '#testing';
import type { LimitAction } from '../model/limit.js';
import type { LimitsLayer } from '../model/limits-document.js';
import { keys, request, startBooks, streamOf, tenant } from '../../test/fixture.js';
import { EMERGENCY, OPEN, useLimits } from '../../test/limits.fixture.js';

const OLDEST = 'terminate_oldest';
const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('who makes room', () => {
  const { books, limits, decide, check, admitAll, end, isLive, events } = useLimits();
  const victims = async (...asked: Parameters<typeof decide>) => {
    const decision = await decide(...asked);
    return decision.kind === 'admitted' ? decision.terminated.map(({ id }) => id) : decision.kind;
  };

  it('is exactly the oldest of the one limit that is full, in the order of starts and then of ids', async () => {
    await limits({});
    for (const id of ['c', 'a', 'b']) await decide(id);
    books.clock.advance(1);
    await admitAll(['z', 'y']);
    await limits({ maxSessionsPerUser: 3, action: OLDEST });
    expect(await victims('new')).toEqual(['a', 'b', 'c']);
  });

  it('of a group is the oldest of the group, whoever it is', async () => {
    await limits({ groups: { trunk: { default: 2, action: OLDEST } } });
    await admitAll(['outside']);
    await admitAll(['a'], { user: 'bob', groups: ['trunk:west'] });
    await admitAll(['b'], { groups: ['trunk:west'] });
    expect(await victims('new', { groups: ['trunk:west'] })).toEqual(['a']);
    expect(await isLive('outside')).toBe(true);
  });

  it('of the total is the oldest of all, not what is due first', async () => {
    await limits({ maxTotalSessions: 2, totalAction: OLDEST });
    await admitAll(['a'], { policy: { idleMs: 0, maxDurationMs: 0, reservationMs: 0 } });
    await admitAll(['b'], { user: 'bob', policy: { idleMs: 0, maxDurationMs: 9_000, reservationMs: 0 } });
    expect(await victims('new', { user: '' })).toEqual(['a']);
    expect(await books.redis.zrange(keys.started, '0', '-1')).toEqual(['b', 'new']);
    expect(await victims('newer')).toEqual(['b']);
    expect(await victims('newest')).toEqual(['new']);
  });

  it('is one session where one frees every limit that is full, though older ones free one each', async () => {
    const action = OLDEST;
    await limits({ maxSessionsPerUser: 2, action, groups: { trunk: { default: 2, action } }, maxTotalSessions: 9 });
    await admitAll(['a']);
    await admitAll(['b'], { user: 'bob', groups: ['trunk:west'] });
    await admitAll(['c'], { groups: ['trunk:west'] });
    const west = { groups: ['trunk:west'] };
    expect(await check('new', west)).toMatchObject({ terminated: [{ id: 'c' }] });
    expect(await victims('new', west)).toEqual(['c']);
    expect(await isLive('a')).toBe(true);
  });

  it.each(['user', 'group', 'total'])(
    'is nobody where the full limit of the %s says reject, whatever others say',
    async (strict) => {
      const action = (scope: string): LimitAction => (scope === strict ? 'reject' : OLDEST);
      await limits({
        maxSessionsPerUser: 1,
        action: action('user'),
        groups: { trunk: { default: 1, action: action('group') } },
        maxTotalSessions: 1,
        totalAction: action('total'),
      });
      const west = { groups: ['trunk:west'] };
      await admitAll(['a'], west);
      expect(await decide('b', west)).toMatchObject({
        kind: 'rejected',
        limits: [{ scope: 'user' }, { scope: 'group' }, { scope: 'total' }],
      });
      expect(await isLive('a')).toBe(true);
    },
  );

  it('is nobody where one full limit has emergency calls only, though another has others', async () => {
    await limits({ maxSessionsPerUser: 1, action: OLDEST, groups: { trunk: { default: 1, action: OLDEST } } });
    await admitAll(['a']);
    await admitAll(['x'], { user: 'bob', groups: ['trunk:west'], ...EMERGENCY });
    expect(await victims('b', { groups: ['trunk:west'] })).toBe('rejected');
    expect(await isLive('a')).toBe(true);
  });

  it('is not the older attempt, which ends by itself and counts for each limit that it was under', async () => {
    const groups = { trunk: { default: 2, action: OLDEST }, carrier: { default: 2, action: OLDEST } } as const;
    await limits({ maxSessionsPerUser: 2, action: OLDEST, groups });
    await admitAll(['a'], { groups: ['trunk:west'] });
    await admitAll(['b'], { groups: ['trunk:west', 'carrier:acme'] });
    await admitAll(['c'], { user: 'bob', groups: ['carrier:acme'] });
    // alice has a and b, the carrier b and c, and a is about to leave: only the carrier is full for it.
    expect(await victims('a', { attempt: 2, groups: ['trunk:west', 'carrier:acme'] })).toEqual(['b']);
    expect(await victims('a', { attempt: 3, groups: ['trunk:west', 'carrier:acme'] })).toEqual([]);
    expect((await events('session.ended')).map(({ sessionId, attempt }) => `${sessionId}/${attempt}`)).toEqual([
      'a/1',
      'b/1',
      'a/2',
    ]);
  });

  it('leaves an older attempt in its place when the new one is refused by another limit, and shows it as held', async () => {
    await limits({ maxSessionsPerUser: 1, groups: { trunk: { default: 1 } }, maxTotalSessions: 2 });
    await admitAll(['a']);
    await admitAll(['b'], { user: 'bob', groups: ['trunk:west'] });
    expect(await decide('a', { attempt: 2, groups: ['trunk:west'] })).toMatchObject({
      kind: 'rejected',
      limits: [{ scope: 'group', key: 'trunk:west', max: 1, active: 1 }],
    });
    expect(await books.store.get(tenant, { sessionId: 'a' })).toMatchObject({ kind: 'live', session: { attempt: 1 } });
  });

  it('are what is due first, then as few as are needed', async () => {
    await limits({});
    const short = { policy: { idleMs: 0, maxDurationMs: 100, reservationMs: 0 } };
    await admitAll(['a', 'b']);
    await admitAll(['due'], short);
    await limits({ maxSessionsPerUser: 3, action: OLDEST });
    books.clock.advance(100);
    expect(await victims('new')).toEqual([]);
    expect(await victims('newer')).toEqual(['a']);
  });

  it.each([1, 2, 5])(
    'are at most 64 in one decision, also where %i limits were lowered; the rest is overshoot',
    async (full) => {
      const kinds = ids('k', full);
      const groups = kinds.map((kind) => `${kind}:1`);
      await limits({});
      for (const group of groups) await admitAll(ids(`${group}-`, 30 + Math.floor(70 / full)), { groups: [group] });
      const limited = { default: 1, action: OLDEST } as const;
      await limits({ groups: Object.fromEntries(kinds.map((kind) => [kind, limited])) });
      const decision = await decide('new', { groups });
      expect(decision.kind === 'admitted' && decision.terminated.length).toBe(Math.floor(64 / full) * full);
      expect((await events('session.admitted')).at(-1)).toMatchObject({ overshoot: 'lowered_limit' });
    },
  );

  it('are never overshoot where all of them could go', async () => {
    await limits({});
    await admitAll(ids('call-', 64));
    await limits({ maxSessionsPerUser: 1, action: OLDEST });
    expect(await victims('new')).toEqual(ids('call-', 64));
    expect((await events('session.admitted')).at(-1)).not.toHaveProperty('overshoot');
    await end('new');
    expect(await books.redis.exists(keys.deadlines)).toBe(0);
  });
});

interface LiveSession {
  user: 'alice' | 'bob';
  groups: string[];
  emergency: boolean;
}

const GROUPS = ['a:1', 'b:1', 'c:1'];
const liveSession: fc.Arbitrary<LiveSession> = fc.record({
  user: fc.constantFrom('alice' as const, 'bob' as const),
  groups: fc.subarray(GROUPS),
  emergency: fc.integer({ min: 0, max: 6 }).map((n) => n === 0),
});
const max = fc.integer({ min: 0, max: 5 });
const book = fc.record({
  sessions: fc.array(liveSession, { minLength: 1, maxLength: 9, size: 'max' }),
  user: max,
  groups: fc.tuple(max, max, max),
  total: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 })),
  named: fc.subarray(GROUPS, { minLength: 1 }),
});

/** For each limit that alice's new session in these groups is under: its max, and the sessions that it holds. */
function limitsOver(
  sessions: LiveSession[],
  { user, groups, total, named }: typeof book extends fc.Arbitrary<infer T> ? T : never,
) {
  const all = sessions.map((_, i) => i);
  const under = [
    { max: user, held: all.filter((i) => sessions[i]?.user === 'alice') },
    ...GROUPS.map((group, n) => ({
      max: named.includes(group) ? (groups[n] ?? 0) : 0,
      held: all.filter((i) => sessions[i]?.groups.includes(group)),
    })),
    { max: total, held: all },
  ];
  return under.filter((limit) => limit.max > 0 && limit.held.length >= limit.max);
}

describe('the smallest set that makes room', () => {
  it('is found in small books, whatever they hold, and nobody ends where there is none', async () => {
    const { server, open } = await startBooks();
    const property = fc.asyncProperty(book, async (drawn) => {
      const { redis, store, clock } = await open();
      await store.limits.change(tenant, () => ({ ...OPEN, totalAction: OLDEST }));
      for (const [i, { emergency, ...said }] of drawn.sessions.entries()) {
        await store.admit(tenant, request(`${i}`, { ...said, priority: emergency ? 'emergency' : 'normal' }));
        clock.advance(1);
      }
      const kinds = GROUPS.map((group, n) => [group.charAt(0), { default: drawn.groups[n] ?? 0, action: OLDEST }]);
      const layer = { maxSessionsPerUser: drawn.user, action: OLDEST, maxTotalSessions: drawn.total } as const;
      const groups = Object.fromEntries(kinds) as NonNullable<LimitsLayer['groups']>;
      await store.limits.change(tenant, () => ({ ...layer, totalAction: OLDEST, groups }));

      const full = limitsOver(drawn.sessions, drawn);
      const may = drawn.sessions.flatMap(({ emergency }, i) => (emergency ? [] : [i]));
      const frees = (set: number[]) =>
        full.every(({ max: most, held }) => held.filter((i) => !set.includes(i)).length < most);
      const sets = Array.from({ length: 2 ** may.length }, (_, bits) => may.filter((_id, n) => (bits >> n) % 2 === 1));
      const smallest = Math.min(...sets.filter(frees).map((set) => set.length));

      const { decision } = await store.admit(tenant, request('new', { groups: drawn.named }));
      expect(decision.kind).toBe(smallest === Infinity ? 'rejected' : 'admitted');
      const ended = (await streamOf(redis, keys.events)).filter(({ type }) => type === 'session.ended');
      if (decision.kind !== 'admitted') {
        expect(ended).toEqual([]);
        return;
      }
      const chosen = decision.terminated.map(({ id }) => Number(id));
      expect({ enough: frees(chosen), size: chosen.length }).toEqual({ enough: true, size: smallest });
      expect(chosen.every((i) => may.includes(i))).toBe(true);
      expect(new Set(ended.map(({ sessionId }) => Number(sessionId)))).toEqual(new Set(chosen));
      expect(ended).toHaveLength(smallest);
      const [only] = full;
      if (full.length === 1 && only) {
        expect(chosen).toEqual(only.held.filter((i) => may.includes(i)).slice(0, smallest));
      }
    });
    try {
      await fc.assert(property, { numRuns: inForm({ short: 150, long: 500 }) });
    } finally {
      await server.stop();
    }
  }, 120_000);
});
