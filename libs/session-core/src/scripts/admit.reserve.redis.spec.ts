import { describe, expect, it } from '@jest/globals';
import type { LimitsLayer } from '../model/limits-document.js';
import { EMERGENCY, useLimits } from '../../test/limits.fixture.js';

const VIP = { groups: ['service:vip'] };
const RESERVE = { group: 'service:vip', places: 2 };

/** The same limit of five with two places kept: of all sessions, of one trunk, of every trunk. */
const LIMITED: { key: string; layer: LimitsLayer; shown: { scope: string; key: string } }[] = [
  { key: 'total', layer: { maxTotalSessions: 5 }, shown: { scope: 'total', key: '*' } },
  {
    key: 'group:trunk:west',
    layer: { groups: { trunk: { default: 9, overrides: { west: 5 } } } },
    shown: { scope: 'group', key: 'trunk:west' },
  },
  { key: 'kind:trunk', layer: { groups: { trunk: { default: 5 } } }, shown: { scope: 'group', key: 'trunk:west' } },
];

describe.each(LIMITED)('the reserve of $key', ({ key, layer, shown }) => {
  const { books, limits, decide, check, admitAll, end, isLive, events } = useLimits();
  const outsider = { groups: ['trunk:west'] };
  const entitled = { groups: ['trunk:west', 'service:vip'] };
  const reserved = async (action: 'reject' | 'terminate_oldest' = 'reject') => {
    const groups = { ...layer.groups, ...(layer.groups && { trunk: { ...layer.groups['trunk'], action } }) };
    await limits({ ...layer, groups, totalAction: action, details: { [key]: { reserve: RESERVE } } });
  };

  it('is kept from others, as much of it as is unused; those that it is for may take all', async () => {
    await reserved();
    await admitAll(['a', 'b', 'c'], outsider);
    const full = { ...shown, max: 5, active: 3, reserved: 2 };
    expect(await decide('d', outsider)).toEqual({ kind: 'rejected', limits: [full], policyVersion: 1 });
    expect(await check('d', entitled)).toMatchObject({ kind: 'admitted' });
    await admitAll(['v1', 'v2'], entitled);
    const without = { ...shown, max: 5, active: 5 };
    for (const said of [outsider, entitled]) {
      expect(await decide('d', said)).toEqual({ kind: 'rejected', limits: [without], policyVersion: 1 });
    }
    await end('v1');
    expect(await check('d', outsider)).toMatchObject({ limits: [{ ...shown, max: 5, active: 4, reserved: 1 }] });
    await end('a');
    await admitAll(['d'], outsider);
  });

  it('is all that others cannot have: whoever is entitled to it may take the other places as well', async () => {
    await reserved();
    await admitAll(['v1', 'v2', 'v3', 'v4'], entitled);
    await admitAll(['a'], outsider);
    for (const said of [outsider, entitled]) expect((await decide('b', said)).kind).toBe('rejected');
    await end('v4');
    await admitAll(['b'], outsider);
  });

  it('does not count those who are entitled to it and not under the limit', async () => {
    if (key === 'total') return;
    await reserved();
    await admitAll(['v1', 'v2'], { groups: ['trunk:east', 'service:vip'] });
    await admitAll(['v3', 'v4'], VIP);
    await admitAll(['a', 'b', 'c'], outsider);
    expect(await decide('d', outsider)).toMatchObject({ kind: 'rejected', limits: [{ active: 3, reserved: 2 }] });
  });

  it('is never freed for an outsider: the oldest of the others makes room, and nobody if there is none', async () => {
    await reserved('terminate_oldest');
    await admitAll(['v1', 'v2'], entitled);
    await admitAll(['a', 'b', 'c'], outsider);
    expect(await decide('d', outsider)).toMatchObject({ kind: 'admitted', terminated: [{ id: 'a' }] });
    await admitAll(['v3'], entitled);
    expect([await isLive('v1'), await isLive('v2')]).toEqual([false, true]);
    for (const id of ['b', 'c', 'd']) await end(id);
    await admitAll(['v4', 'v5', 'v6'], entitled);
    const nobody = { kind: 'rejected', limits: [{ ...shown, max: 5, active: 5 }] };
    expect(await decide('e', outsider)).toMatchObject(nobody);
    expect(await decide('e', entitled)).toMatchObject({ kind: 'admitted', terminated: [{ id: 'v2' }] });
  });

  it('has to be made free again when its holders end by what makes room', async () => {
    await reserved('terminate_oldest');
    await admitAll(['a', 'b', 'c'], outsider);
    expect(await decide('d', outsider)).toMatchObject({ kind: 'admitted', terminated: [{ id: 'a' }] });
    expect(await decide('v', entitled)).toMatchObject({ kind: 'admitted', terminated: [] });
    expect(await decide('w', entitled)).toMatchObject({ kind: 'admitted', terminated: [] });
    expect(await decide('x', entitled)).toMatchObject({ kind: 'admitted', terminated: [{ id: 'b' }] });
  });

  it('counts what is due as free, of both kinds', async () => {
    await reserved();
    const policy = { idleMs: 0, maxDurationMs: 1_000, reservationMs: 0 };
    await admitAll(['v1', 'v2'], { ...entitled, policy });
    await admitAll(['a', 'b'], outsider);
    await admitAll(['c'], { ...outsider, policy });
    books.clock.advance(1_000);
    expect(await decide('d', outsider)).toMatchObject({ kind: 'admitted' });
    expect(await decide('e', outsider)).toMatchObject({ kind: 'rejected', limits: [{ active: 3, reserved: 2 }] });
  });

  it('passes no emergency call by, which is not overshoot as long as the limit itself holds', async () => {
    await reserved();
    await admitAll(['a', 'b', 'c'], outsider);
    await admitAll(['x', 'y'], { ...outsider, ...EMERGENCY });
    await admitAll(['z'], { ...outsider, ...EMERGENCY });
    expect((await events('session.admitted')).map(({ overshoot }) => overshoot).slice(3)).toEqual([
      undefined,
      undefined,
      'emergency',
    ]);
  });
});

describe('a reserve for emergency calls', () => {
  const { books, limits, decide, admitAll, isLive } = useLimits();

  it('is kept free for them alone, in a total that ends the oldest', async () => {
    const reserve = { group: 'priority:emergency', places: 2 };
    await limits({ maxTotalSessions: 3, totalAction: 'terminate_oldest', details: { total: { reserve } } });
    await admitAll(['a']);
    await admitAll(['b']);
    expect([await isLive('a'), await isLive('b')]).toEqual([false, true]);
    await admitAll(['x', 'y'], EMERGENCY);
    await admitAll(['c']);
    expect([await isLive('b'), await isLive('x'), await isLive('y')]).toEqual([false, true, true]);
  });

  it('of the whole limit refuses everybody else', async () => {
    const reserve = { group: 'priority:emergency', places: 3 };
    await limits({ maxTotalSessions: 3, details: { total: { reserve } } });
    expect(await decide('a')).toMatchObject({ limits: [{ max: 3, active: 0, reserved: 3 }] });
    await admitAll(['x'], EMERGENCY);
  });

  it('counts right when far more of it end in one decision than it has places', async () => {
    const kinds = ['p', 'q', 'r'];
    const groups = Object.fromEntries(kinds.map((kind) => [kind, { default: 64 }]));
    const policy = { idleMs: 0, maxDurationMs: 60_000, reservationMs: 0 };
    const shared = ['trunk:west', 'service:vip'];
    await limits({ groups });
    for (const kind of kinds) {
      const ids = Array.from({ length: 64 }, (_, i) => `${kind}${i}`);
      await admitAll(ids, { groups: [...shared, `${kind}:1`], policy });
    }
    await admitAll(['a', 'b'], { groups: ['trunk:west'] });
    await limits({ groups: { ...groups, trunk: { default: 8 } }, details: { 'kind:trunk': { reserve: RESERVE } } });
    books.clock.advance(60_000);
    // All 192 are due, and two of the eight places are kept: there is room for four more.
    const wanted = { groups: ['trunk:west', 'p:1', 'q:1', 'r:1'] };
    await admitAll(['c', 'd', 'e', 'f'], wanted);
    expect(await decide('g', wanted)).toMatchObject({ kind: 'rejected', limits: [{ max: 8, active: 6, reserved: 2 }] });
  });
});
