import { describe, expect, it } from '@jest/globals';
import type { AdmissionRequest } from '../model/decision.js';
import type { LimitDetails } from '../model/limit.js';
import type { LimitsLayer } from '../model/limits-document.js';
import { keys } from '../../test/fixture.js';
import { dump, useLimits } from '../../test/limits.fixture.js';

const WEST = { groups: ['trunk:west'] };

const OBSERVED: { key: string; layer: LimitsLayer; said?: Partial<AdmissionRequest>; shown: object }[] = [
  { key: 'user', layer: { maxSessionsPerUser: 1 }, shown: { scope: 'user', key: 'alice' } },
  { key: 'user:alice', layer: { users: { alice: 1 } }, shown: { scope: 'user', key: 'alice' } },
  {
    key: 'user:alice',
    layer: { classes: { gold: 1 }, userClasses: { alice: 'gold' } },
    shown: { scope: 'user', key: 'alice' },
  },
  { key: 'user:alice', layer: { maxSessionsPerUser: 1 }, shown: { scope: 'user', key: 'alice' } },
  {
    key: 'class:gold',
    layer: { classes: { gold: 1 } },
    said: { userClass: 'gold' },
    shown: { scope: 'user', key: 'alice' },
  },
  {
    key: 'class:gold',
    layer: { classes: { gold: 1 }, userClasses: { alice: 'gold' } },
    shown: { scope: 'user', key: 'alice' },
  },
  { key: 'total', layer: { maxTotalSessions: 1 }, shown: { scope: 'total', key: '*' } },
  { key: 'kind:trunk', layer: { groups: { trunk: { default: 1 } } }, shown: { scope: 'group', key: 'trunk:west' } },
  {
    key: 'group:trunk:west',
    layer: { groups: { trunk: { overrides: { west: 1 } } } },
    shown: { scope: 'group', key: 'trunk:west' },
  },
];

describe('a limit that is only observed', () => {
  const { limits, decide, check, admitAll, events, refusals } = useLimits();

  it.each(OBSERVED)('refuses nobody, ends nobody and is told as full: $key', async ({ key, layer, said, shown }) => {
    const action = 'terminate_oldest';
    const groups = { trunk: { ...layer.groups?.['trunk'], action } } as const;
    await limits({ action, totalAction: action, ...layer, groups, details: { [key]: { observe: true } } });
    const wanted = { ...WEST, ...said };
    await admitAll(['a', 'b'], wanted);
    for (const decision of [await check('c', wanted), await decide('c', wanted)]) {
      expect(decision).toMatchObject({ kind: 'admitted', terminated: [] });
      expect(decision.kind === 'admitted' && decision.limits.filter(({ observed }) => observed)).toEqual([
        { ...shown, max: 1, active: 3, observed: true },
      ]);
    }
    expect(await refusals()).toEqual([]);
    for (const event of await events('session.admitted')) expect(event).not.toHaveProperty('overshoot');
  });

  it('is not told while it has room', async () => {
    await limits({ maxTotalSessions: 2, details: { total: { observe: true } } });
    for (const id of ['a', 'b']) {
      const decision = await decide(id);
      expect(decision.kind === 'admitted' && decision.limits.some(({ observed }) => observed)).toBe(false);
    }
  });

  it('leaves the others as strict as they were', async () => {
    await limits({ maxSessionsPerUser: 1, maxTotalSessions: 1, details: { total: { observe: true } } });
    await admitAll(['a']);
    expect(await decide('b')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user', max: 1, active: 1 }] });
    expect(await decide('c', { user: 'bob' })).toMatchObject({ kind: 'admitted' });
  });

  it('says nothing of a limit of its own below it: no details are inherited', async () => {
    const groups = { trunk: { default: 1, overrides: { west: 1 } } };
    await limits({
      maxSessionsPerUser: 1,
      users: { bob: 1 },
      groups,
      details: { user: { observe: true }, 'kind:trunk': { observe: true } },
    });
    await admitAll(['a', 'b'], { groups: ['trunk:east'] });
    await admitAll(['c'], { user: 'bob', ...WEST });
    expect(await decide('d', { user: 'bob', ...WEST })).toMatchObject({
      kind: 'rejected',
      limits: [{ key: 'bob' }, { key: 'trunk:west' }],
    });
  });
});

const TEMPORARY: { key: string; layer: LimitsLayer }[] = [
  { key: 'user', layer: { maxSessionsPerUser: 1 } },
  { key: 'user:alice', layer: { maxSessionsPerUser: 1 } },
  { key: 'user:alice', layer: { users: { alice: 1 } } },
  { key: 'user:alice', layer: { classes: { gold: 1 }, userClasses: { alice: 'gold' } } },
  { key: 'group:trunk:west', layer: { groups: { trunk: { default: 1 } } } },
  { key: 'group:trunk:west', layer: { groups: { trunk: { default: 7, overrides: { west: 1 } } } } },
  { key: 'kind:trunk', layer: { groups: { trunk: { default: 1 } } } },
  { key: 'total', layer: { maxTotalSessions: 1 } },
];

describe('a temporary limit', () => {
  const { books, limits, decide, admitAll } = useLimits();
  const soon = (max: number): LimitDetails => ({ temporary: { max, untilMs: books.clock.nowMs + 1_000 } });

  it.each(TEMPORARY)('holds until its very millisecond, and ends without a write: $key', async ({ key, layer }) => {
    await limits({ ...layer, details: { [key]: soon(3) } });
    await admitAll(['a', 'b'], WEST);
    books.clock.advance(997);
    await admitAll(['c'], WEST);
    const { nowMs } = books.clock;
    const before = await dump(books.redis);
    books.clock.nowMs = nowMs - 1;
    expect(await decide('d', WEST)).toMatchObject({ kind: 'rejected', limits: [{ max: 3, active: 3 }] });
    books.clock.nowMs = nowMs;
    expect(await decide('d', WEST)).toMatchObject({ kind: 'rejected', limits: [{ max: 1, active: 3 }] });
    expect(await dump(books.redis)).toEqual(before);
  });

  it.each(TEMPORARY)('may be lower than what it covers, and then gives way to it: $key', async ({ key, layer }) => {
    const raised = JSON.parse(JSON.stringify(layer).replaceAll(':1', ':3')) as LimitsLayer;
    await limits({ ...raised, details: { [key]: soon(1) } });
    await admitAll(['a'], WEST);
    expect(await decide('b', WEST)).toMatchObject({ kind: 'rejected', limits: [{ max: 1, active: 1 }] });
    books.clock.advance(999);
    await admitAll(['b', 'c'], WEST);
    expect(await decide('d', WEST)).toMatchObject({ kind: 'rejected', limits: [{ max: 3, active: 3 }] });
  });

  it('of zero is unlimited as long as it lasts', async () => {
    await limits({ maxTotalSessions: 1, details: { total: soon(0) } });
    await admitAll(['a', 'b', 'c']);
    books.clock.advance(997);
    expect(await decide('d')).toMatchObject({ kind: 'rejected', limits: [{ max: 1, active: 3 }] });
  });

  it('gives way to all that is said of what it covers: that it is only observed, its reserve', async () => {
    const groups = { trunk: { default: 1 }, site: { default: 2 } };
    const reserve = { group: 'priority:emergency', places: 1 };
    await limits({
      maxSessionsPerUser: 1,
      groups,
      details: {
        user: { observe: true },
        'user:alice': soon(2),
        'kind:trunk': { observe: true },
        'group:trunk:west': soon(2),
        'kind:site': { reserve },
        'group:site:1': soon(2),
      },
    });
    await admitAll(['a', 'b'], { groups: ['trunk:west'] });
    expect(await decide('c', WEST)).toMatchObject({ kind: 'rejected', limits: [{ max: 2 }, { max: 2 }] });
    books.clock.advance(998);
    await admitAll(['c'], { ...WEST });
    await admitAll(['d'], { user: 'bob', groups: ['site:1'] });
    expect(await decide('e', { user: 'eve', groups: ['site:1'] })).toMatchObject({
      kind: 'rejected',
      limits: [{ key: 'site:1', max: 2, active: 1, reserved: 1 }],
    });
  });

  it('keeps what is said of the limit itself: observed, it refuses nobody before nor after', async () => {
    await limits({ maxSessionsPerUser: 1, details: { 'user:alice': { ...soon(2), observe: true } } });
    await admitAll(['a', 'b', 'c']);
    books.clock.advance(2_000);
    await admitAll(['d']);
    expect(await books.redis.zcard(keys.userSessions('alice'))).toBe(4);
  });

  it('of every user says nothing of users and classes that have a limit of their own', async () => {
    await limits({ maxSessionsPerUser: 9, users: { bob: 2 }, classes: { gold: 2 }, details: { user: soon(1) } });
    await admitAll(['a', 'b'], { user: 'bob' });
    await admitAll(['c', 'd'], { user: 'carol', userClass: 'gold' });
    await admitAll(['e']);
    for (const said of [{ user: 'bob' }, { user: 'carol', userClass: 'gold' }, {}]) {
      expect((await decide('next', said)).kind).toBe('rejected');
    }
  });
});
