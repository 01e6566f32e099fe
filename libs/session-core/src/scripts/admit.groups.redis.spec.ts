import { describe, expect, it } from '@jest/globals';
import { EMERGENCY_GROUP } from '../model/limit.js';
import type { GroupKindLimits, LimitsLayer } from '../model/limits-document.js';
import { keys, request, tenant } from '../../test/fixture.js';
import { EMERGENCY, useLimits } from '../../test/limits.fixture.js';
import { SessionStore } from '../session-store.js';

const WEST = { groups: ['trunk:west'] };

/** A trunk within a carrier within a region within a country within a continent. */
const NESTED: Record<string, GroupKindLimits> = {
  trunk: { parents: { west: 'carrier:acme', east: 'carrier:acme' } },
  carrier: { parents: { acme: 'region:north' } },
  region: { parents: { north: 'country:no' } },
  country: { parents: { no: 'continent:eu' } },
};
const CHAIN = ['trunk:west', 'carrier:acme', 'region:north', 'country:no', 'continent:eu'];

function nested(limited: Record<string, number>, more: LimitsLayer = {}): LimitsLayer {
  const kinds = [...new Set([...Object.keys(NESTED), ...Object.keys(limited)])];
  const groups = kinds.map((kind) => [kind, { ...NESTED[kind], default: limited[kind] ?? 0 }] as const);
  return { groups: Object.fromEntries(groups), ...more };
}

describe('a group within another', () => {
  const { books, limits, decide, check, admitAll, end } = useLimits();
  const sizes = async (groups: string[]) =>
    await Promise.all(groups.map((group) => books.redis.zcard(keys.groupSessions(group))));

  it('takes a place in all that are above it, four levels up', async () => {
    await limits(nested({}));
    const decision = await decide('a', WEST);
    expect(decision).toMatchObject({ kind: 'admitted', session: { groups: CHAIN } });
    expect(await sizes(CHAIN)).toEqual([1, 1, 1, 1, 1]);
    expect(await books.redis.zrange(keys.groups, '0', '-1')).toEqual(CHAIN.toSorted());
    await end('a');
    expect(await books.redis.keys('*group*')).toEqual([]);
  });

  it.each(CHAIN)('is refused when %s is full, by a session that named another below it', async (group) => {
    const [kind = ''] = group.split(':');
    await limits(nested({ [kind]: 1 }));
    await admitAll(['a'], { groups: [kind === 'trunk' ? 'trunk:west' : 'trunk:east'], user: 'bob' });
    const full = { scope: 'group', key: group, max: 1, active: 1 };
    expect(await check('b', WEST)).toMatchObject({ kind: 'rejected', limits: [full] });
    expect(await decide('b', WEST)).toMatchObject({ kind: 'rejected', limits: [full] });
  });

  it('counts once where a session names it together with its parent, in any order', async () => {
    await limits(nested({ carrier: 2 }));
    expect(await decide('a', { groups: ['trunk:west', 'carrier:acme', 'trunk:east', 'trunk:west'] })).toMatchObject({
      kind: 'admitted',
      limits: [{ scope: 'user' }, { scope: 'group', key: 'carrier:acme', max: 2, active: 1 }],
    });
    await admitAll(['b'], { groups: ['country:no', 'region:north', 'carrier:acme', 'trunk:west'] });
    expect(await sizes(CHAIN)).toEqual([2, 2, 2, 2, 2]);
    expect(await decide('c', { groups: ['carrier:acme', 'trunk:east'] })).toMatchObject({ kind: 'rejected' });
  });

  it('follows a link that is changed, removed and set again, in the very next decision of every process', async () => {
    const { redis, clock, store } = books;
    const other = new SessionStore({
      client: redis,
      deadlineMs: 60_000,
      tombstoneMs: 60_000,
      clockMs: () => clock.nowMs,
    });
    const groupsOf = async (of: SessionStore, id: string) => {
      const { decision } = await of.admit(tenant, request(id, WEST));
      return decision.kind === 'admitted' ? decision.session.groups : decision.kind;
    };
    const within = async (parents: Record<string, string>) => await limits({ groups: { trunk: { parents } } });
    await within({ west: 'carrier:acme' });
    expect([await groupsOf(store, 'a'), await groupsOf(other, 'b')]).toEqual([CHAIN.slice(0, 2), CHAIN.slice(0, 2)]);
    await within({ west: 'carrier:zeta' });
    expect([await groupsOf(store, 'c'), await groupsOf(other, 'd')]).toEqual(
      [1, 2].map(() => ['trunk:west', 'carrier:zeta']),
    );
    await within({});
    expect([await groupsOf(store, 'e'), await groupsOf(other, 'f')]).toEqual([['trunk:west'], ['trunk:west']]);
    await limits(nested({}));
    expect([await groupsOf(store, 'g'), await groupsOf(other, 'h')]).toEqual([CHAIN, CHAIN]);
    expect(await sizes(['carrier:acme', 'carrier:zeta', 'trunk:west'])).toEqual([4, 2, 8]);
  });

  it('that has moved frees what its sessions took where they were admitted', async () => {
    await limits({ groups: { trunk: { parents: { west: 'carrier:acme' } } } });
    await admitAll(['a'], WEST);
    await limits({ groups: { trunk: { parents: { west: 'carrier:zeta' } } } });
    await admitAll(['b'], WEST);
    expect(await decide('a', WEST)).toMatchObject({
      repeated: true,
      session: { groups: ['trunk:west', 'carrier:acme'] },
    });
    await end('a');
    expect(await sizes(['trunk:west', 'carrier:acme', 'carrier:zeta'])).toEqual([1, 0, 1]);
  });

  it('is named with all that are full above it', async () => {
    await limits(nested({ trunk: 1, region: 1, continent: 2 }));
    await admitAll(['a'], WEST);
    const decision = await decide('b', WEST);
    expect(decision.kind === 'rejected' && decision.limits.map(({ key }) => key)).toEqual([
      'trunk:west',
      'region:north',
    ]);
  });

  it('that has details stands among others without, whatever their order', async () => {
    const untilMs = books.clock.nowMs + 60_000;
    await limits({
      groups: {
        trunk: { default: 4, parents: { west: 'carrier:acme' } },
        carrier: { default: 5 },
        site: { default: 2 },
      },
      details: { 'group:trunk:west': { temporary: { max: 3, untilMs } }, 'kind:carrier': { observe: true } },
    });
    const orders = [
      ['trunk:west', 'site:1'],
      ['site:1', 'trunk:west'],
      ['site:2', 'trunk:west', 'trunk:east'],
    ];
    for (const [i, groups] of orders.entries()) await admitAll([`call-${i}`], { groups });
    expect(await sizes(['trunk:west', 'carrier:acme', 'site:1', 'site:2', 'trunk:east'])).toEqual([3, 3, 2, 1, 1]);
    expect(await decide('next', { groups: ['site:3', 'trunk:west', 'site:1', 'site:2'] })).toMatchObject({
      kind: 'rejected',
      limits: [
        { scope: 'group', key: 'trunk:west', max: 3, active: 3 },
        { scope: 'group', key: 'site:1', max: 2, active: 2 },
      ],
    });
    await limits({
      enabled: false,
      groups: { trunk: { parents: { west: 'carrier:acme' } } },
      details: {
        'group:trunk:west': { temporary: { max: 3, untilMs } },
      },
    });
    await admitAll(['unlimited'], { groups: ['trunk:west', 'site:2'] });
    expect(await sizes(['trunk:west', 'carrier:acme', 'site:2'])).toEqual([4, 4, 2]);
  });

  it('is tracked and unlimited where its kind has no limit', async () => {
    await limits({});
    await admitAll(
      Array.from({ length: 70 }, (_, i) => `call-${i}`),
      { groups: ['nobody-knows:it'] },
    );
    expect(await sizes(['nobody-knows:it'])).toEqual([70]);
  });
});

describe('an emergency session', () => {
  const { books, limits, decide, admitAll, events } = useLimits();

  it('is in priority:emergency by itself, and passes every limit, that of the group too', async () => {
    await limits({
      maxSessionsPerUser: 1,
      maxTotalSessions: 1,
      groups: { priority: { default: 1 }, trunk: { default: 1 } },
    });
    await admitAll(['a', 'b'], { ...WEST, ...EMERGENCY });
    expect(await books.redis.zrange(keys.groupSessions(EMERGENCY_GROUP), '0', '-1')).toEqual(['a', 'b']);
    expect((await events('session.admitted')).map(({ overshoot }) => overshoot)).toEqual([undefined, 'emergency']);
    expect(await decide('c', { ...EMERGENCY, groups: ['trunk:east'] })).toMatchObject({
      session: { groups: ['trunk:east', EMERGENCY_GROUP] },
      limits: [
        { scope: 'user', max: 1, active: 3 },
        { scope: 'group', key: 'trunk:east', max: 1, active: 1 },
        { scope: 'group', key: EMERGENCY_GROUP, max: 1, active: 3 },
        { scope: 'total', max: 1, active: 3 },
      ],
    });
    expect(await decide('d')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user' }, { scope: 'total' }] });
  });
});
