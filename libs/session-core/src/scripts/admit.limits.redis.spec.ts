import { describe, expect, it } from '@jest/globals';
import type { AdmissionRequest } from '../model/decision.js';
import type { LimitState } from '../model/limit.js';
import type { LimitsLayer } from '../model/limits-document.js';
import { keys, sessionKeys, tenant } from '../../test/fixture.js';
import { dump, EMERGENCY, useLimits } from '../../test/limits.fixture.js';

const WEST = { groups: ['trunk:west'] };
const west = { trunk: { default: 9, overrides: { west: 2 } } };

interface Case {
  what: string;
  layer: LimitsLayer;
  said?: Partial<AdmissionRequest>;
  full: LimitState;
}

const alice = (max: number): LimitState => ({ scope: 'user', key: 'alice', max, active: max });
const trunk = (max: number): LimitState => ({ scope: 'group', key: 'trunk:west', max, active: max });

const CASES: Case[] = [
  { what: 'the limit of every user', layer: { maxSessionsPerUser: 3 }, full: alice(3) },
  { what: "a user's own limit", layer: { maxSessionsPerUser: 1, users: { alice: 3 } }, full: alice(3) },
  {
    what: 'the limit of the class that the admission names',
    layer: { maxSessionsPerUser: 1, classes: { gold: 3 } },
    said: { userClass: 'gold' },
    full: alice(3),
  },
  {
    what: 'the limit of the class that the tenant has given the user, over that of the admission',
    layer: { maxSessionsPerUser: 1, classes: { gold: 3, iron: 2 }, userClasses: { alice: 'gold' } },
    said: { userClass: 'iron' },
    full: alice(3),
  },
  {
    what: "a user's own limit over that of the class, however it was said",
    layer: { users: { alice: 2 }, classes: { gold: 3 }, userClasses: { alice: 'gold' } },
    said: { userClass: 'gold' },
    full: alice(2),
  },
  {
    what: 'the limit of every user for a class that nobody has defined',
    layer: { maxSessionsPerUser: 2, classes: { gold: 3 } },
    said: { userClass: 'tin' },
    full: alice(2),
  },
  { what: 'the total', layer: { maxTotalSessions: 3 }, full: { scope: 'total', key: '*', max: 3, active: 3 } },
  { what: 'the limit of a kind of group', layer: { groups: { trunk: { default: 3 } } }, said: WEST, full: trunk(3) },
  { what: "a group's own limit", layer: { groups: west }, said: WEST, full: trunk(2) },
  {
    what: 'a group with a name that has to be escaped',
    layer: { groups: { trunk: { overrides: { 'we st/%é}': 2 } } } },
    said: { groups: ['trunk:we st/%é}'] },
    full: { scope: 'group', key: 'trunk:we st/%é}', max: 2, active: 2 },
  },
];

describe('a limit', () => {
  const { books, limits, decide, check, admitAll, end, events, refusals } = useLimits();

  it.each(CASES)('admits up to it and refuses the next: $what', async ({ layer, said, full }) => {
    await limits(layer);
    for (let i = 1; i <= full.max; i++) {
      const state = { ...full, active: i };
      expect(await decide(`call-${i}`, said)).toMatchObject({
        kind: 'admitted',
        limits: expect.arrayContaining([state]) as unknown,
      });
    }
    const refused = { kind: 'rejected', limits: [full], policyVersion: 1 };
    expect(await check('next', said)).toEqual(refused);
    expect(await decide('next', said)).toEqual(refused);
    await end('call-1');
    expect(await decide('next', said)).toMatchObject({ kind: 'admitted' });
  });

  it('is named by a refusal with all the others that are full, each with its max and its count', async () => {
    await limits({
      maxSessionsPerUser: 1,
      maxTotalSessions: 2,
      groups: { trunk: { default: 2 }, carrier: { default: 3 }, gateway: { default: 1 } },
    });
    const groups = ['trunk:west', 'carrier:acme', 'gateway:g1'];
    await admitAll(['a'], { groups });
    await admitAll(['b'], { user: 'bob', groups: ['trunk:west', 'carrier:acme'] });
    const decision = await decide('c', { groups });
    expect(decision).toEqual({
      kind: 'rejected',
      policyVersion: 1,
      limits: [
        { scope: 'user', key: 'alice', max: 1, active: 1 },
        { scope: 'group', key: 'trunk:west', max: 2, active: 2 },
        { scope: 'group', key: 'gateway:g1', max: 1, active: 1 },
        { scope: 'total', key: '*', max: 2, active: 2 },
      ],
    });
    expect((await refusals()).map(({ limits: told }) => JSON.parse(told ?? '') as unknown)).toEqual([
      (decision as { limits: object[] }).limits.map((limit) => ({ ...limit, action: 'reject' })),
    ]);
  });

  it('that is full changes nothing but what tells of refusals; nor does a check, whatever it answers', async () => {
    const rate = { perSecond: 0.001, burst: 3 };
    await limits({
      maxSessionsPerUser: 2,
      groups: { trunk: { default: 2, parents: { west: 'carrier:acme' }, rate } },
      userRate: rate,
      maxSessionsPerIpPerHour: 9,
      alertThreshold: 100,
      maxTotalSessions: 2,
      details: { total: { reserve: { group: 'carrier:acme', places: 1 } } },
    });
    await admitAll(['a', 'b'], WEST);
    const before = await dump(books.redis);
    const scopes = [{ scope: 'user' }, { scope: 'group' }, { scope: 'total' }];
    expect(await decide('c', { ...WEST, node: 'never-seen', epoch: 7 })).toMatchObject({ limits: scopes });
    expect(await decide('a', { ...WEST, attempt: 2, user: 'bob' })).toEqual({ kind: 'id-conflict' });
    expect(await check('c', WEST)).toMatchObject({ kind: 'rejected', limits: scopes });
    expect(await check('a', { ...WEST, attempt: 2 })).toMatchObject({ kind: 'admitted', repeated: false });
    expect(await check('c', { ...WEST, ...EMERGENCY })).toMatchObject({ kind: 'admitted' });
    expect(await dump(books.redis)).toEqual(before);
    expect([...before.keys()]).toEqual(expect.arrayContaining([keys.ipRate('192.0.2.10'), keys.userRate('alice')]));
  });

  it('shows a check who would make room, and nobody does', async () => {
    await limits({ maxTotalSessions: 2, totalAction: 'terminate_oldest' });
    await admitAll(['a', 'b']);
    const before = await dump(books.redis);
    expect(await check('c')).toMatchObject({ kind: 'admitted', terminated: [{ id: 'a' }] });
    expect(await dump(books.redis)).toEqual(before);
  });

  it('of the total counts sessions without a user, and names the total alone to them', async () => {
    await limits({ maxSessionsPerUser: 1, maxTotalSessions: 3 });
    await admitAll(['a', 'b'], { user: '' });
    await admitAll(['c']);
    const total = { scope: 'total', key: '*', max: 3, active: 3 };
    expect(await decide('d', { user: '' })).toMatchObject({ kind: 'rejected', limits: [total] });
    expect(await decide('d')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user' }, total] });
    await end('a');
    expect(await decide('d', { user: '' })).toMatchObject({ kind: 'admitted', limits: [total] });
  });

  it.each([0, -1])('of %i refuses nobody, whatever it is of', async (max) => {
    await limits({
      maxTotalSessions: max,
      users: { alice: max },
      groups: { trunk: { default: max, overrides: { west: max } } },
    });
    await admitAll(
      Array.from({ length: 70 }, (_, i) => `call-${i}`),
      WEST,
    );
    expect(await decide('next', WEST)).toMatchObject({ limits: [{ scope: 'user', max: 0, active: 71 }] });
  });

  it('refuses nothing while limits are off, and all is tracked', async () => {
    const rate = { perSecond: 0.001, burst: 1 };
    await limits({
      enabled: false,
      maxSessionsPerUser: 1,
      maxTotalSessions: 1,
      totalAction: 'terminate_oldest',
      action: 'terminate_oldest',
      groups: { trunk: { default: 1, rate } },
      userRate: rate,
      maxSessionsPerIpPerHour: 1,
      details: { 'group:trunk:east': { temporary: { max: 1, untilMs: books.clock.nowMs + 9_000 } } },
    });
    const groups = ['trunk:west', 'trunk:east'];
    await admitAll(['a', 'b', 'c'], { groups });
    expect(await books.redis.zcard(keys.groupSessions('trunk:east'))).toBe(3);
    expect(await books.redis.zcard(keys.deadlines)).toBe(3);
    await books.store.limits.change(tenant, (api) => ({
      ...api,
      enabled: true,
      action: 'reject',
      totalAction: 'reject',
    }));
    const decision = await decide('d', { groups });
    expect(decision.kind === 'rejected' && decision.limits.map(({ key }) => key)).toEqual([
      'alice',
      'alice',
      'trunk:west',
      'trunk:east',
      'trunk:west',
      'trunk:east',
      '192.0.2.10',
      '*',
    ]);
  });

  it('stops no emergency session, which is counted under each and shown as overshoot only above one', async () => {
    await limits({ maxSessionsPerUser: 3, maxTotalSessions: 2, groups: { trunk: { default: 2 } } });
    await admitAll(['a', 'b', 'c'], { ...WEST, ...EMERGENCY });
    const told = (await events('session.admitted')).map(({ overshoot }) => overshoot);
    expect(told).toEqual([undefined, undefined, 'emergency']);
    const decision = await decide('d', WEST);
    expect(decision.kind === 'rejected' && decision.limits.map(({ active }) => active)).toEqual([3, 3, 3]);
  });

  it('of a user or group with the name of something in JavaScript is a limit like any other', async () => {
    await limits({ maxSessionsPerUser: 1, users: JSON.parse('{"__proto__":2}') as Record<string, number> });
    await admitAll(['a', 'b'], { user: '__proto__' });
    await admitAll(['c'], { user: 'constructor', userClass: 'toString', groups: ['constructor:valueOf'] });
    expect(await decide('d', { user: 'constructor' })).toMatchObject({ kind: 'rejected', limits: [{ max: 1 }] });
  });

  it('leaves no key behind once its sessions are gone', async () => {
    await limits({
      maxTotalSessions: 2,
      totalAction: 'terminate_oldest',
      groups: { trunk: { parents: { west: 'a:b' } } },
    });
    await admitAll(['a', 'b', 'c'], WEST);
    for (const id of ['b', 'c']) await end(id);
    const left = (await sessionKeys(books.redis)).filter((name) => !name.includes(':session:'));
    expect(left.toSorted()).toEqual([keys.commanded, keys.commands('b2bua-1')].toSorted());
  });

  it('is told with the version of the limits that were in force', async () => {
    for (const maxTotalSessions of [3, 2, 1]) {
      const { version } = await limits({ maxTotalSessions });
      for (const id of ['a', 'b']) {
        const decision = await decide(id);
        expect(decision).toMatchObject({ policyVersion: version });
        if (decision.kind === 'admitted') expect(decision.limits).toMatchObject([{}, { max: maxTotalSessions }]);
      }
    }
  });
});
