import { describe, expect, it } from '@jest/globals';
import { HOUR_MS } from '#basics';
import { eventually } from '#testing';
import { keys, request, tenant } from '../../test/fixture.js';
import { EMERGENCY, useLimits } from '../../test/limits.fixture.js';

const WEST = { groups: ['trunk:west'] };

/** Slow enough that no key of a test expires by the clock of Redis, which is not the test's. */
const EACH_MS = 100_000;
const SLOW = { perSecond: 1_000 / EACH_MS, burst: 3 };
const paced = {
  'a user': { userRate: SLOW },
  'a kind of group': { groups: { trunk: { rate: SLOW } } },
  'a group': {
    groups: { trunk: { rate: { perSecond: 9, burst: 9 }, rates: { west: SLOW } } },
  },
};
const scopeOf = (what: string) =>
  what === 'a user' ? { scope: 'user', key: 'alice' } : { scope: 'group', key: 'trunk:west' };

describe.each(Object.entries(paced))('the calls per second of %s', (what, layer) => {
  const { books, limits, decide, check, admitAll } = useLimits();
  const full = (retryAfterMs: number, active = 3) => ({
    kind: 'rejected',
    limits: [{ ...scopeOf(what), max: 3, active, retryAfterMs }],
  });
  const rateKey = what === 'a user' ? keys.userRate('alice') : keys.groupRate('trunk:west');
  const burst = async (ids: string[]) => {
    for (const id of ids) expect(await decide(id, WEST)).toMatchObject({ kind: 'admitted' });
  };

  it('come in one burst, and then one at a time, exactly', async () => {
    await limits(layer);
    await burst(['a', 'b', 'c']);
    expect(await decide('d', WEST)).toMatchObject(full(EACH_MS));
    books.clock.advance(EACH_MS - 1);
    expect(await check('d', WEST)).toMatchObject(full(1));
    expect(await decide('d', WEST)).toMatchObject(full(1));
    books.clock.advance(1);
    await burst(['d']);
    expect(await decide('e', WEST)).toMatchObject(full(EACH_MS));
    books.clock.advance(2 * EACH_MS);
    await burst(['e', 'f']);
    expect(await decide('g', WEST)).toMatchObject(full(EACH_MS));
  });

  it('save up no more than a burst', async () => {
    await limits(layer);
    await burst(['a']);
    books.clock.advance(100 * EACH_MS);
    await burst(['b', 'c', 'd']);
    expect(await decide('e', WEST)).toMatchObject(full(EACH_MS));
  });

  it('do not count retries, refusals and checks', async () => {
    await limits({ ...layer, maxSessionsPerUser: 2 });
    await burst(['a', 'b']);
    const before = await books.redis.get(rateKey);
    await burst(['a', 'b']);
    expect(await decide('c', WEST)).toMatchObject({ kind: 'rejected' });
    expect(await check('c', { ...WEST, user: 'bob' })).toMatchObject({ kind: 'admitted' });
    expect(await books.redis.get(rateKey)).toBe(before);
  });

  it('are given back by a withdrawal, all of them to nothing', async () => {
    await limits(layer);
    const wanted = ['a', 'b', 'c'].map((id) => request(id, WEST));
    const tokens = [];
    for (const one of wanted) tokens.push((await books.store.admit(tenant, one)).token);
    for (const [i, one] of wanted.entries()) {
      books.store.withdrawLater(tenant, one, tokens[i] ?? 0);
      await eventually(() => books.store.withdrawals.pending === 0, { what: 'the withdrawal' });
      expect((await decide(`in-place-of-${one.sessionId}`, WEST)).kind).toBe('admitted');
      expect(await decide('too-many', WEST)).toMatchObject({ kind: 'rejected' });
    }
  });

  it.each([45_000, HOUR_MS, 300 * 24 * HOUR_MS])(
    'keep nobody out for longer than one call takes when the clock steps back by %i ms, and let in one more at most',
    async (ms) => {
      await limits(layer);
      await burst(['a', 'b', 'c']);
      books.clock.advance(-ms);
      const kinds = [];
      for (const id of ['d', 'e', 'f']) kinds.push((await decide(id, WEST)).kind);
      expect(kinds).toEqual(['admitted', 'rejected', 'rejected']);
      books.clock.advance(EACH_MS);
      await burst(['e']);
      expect(await decide('f', WEST)).toMatchObject(full(EACH_MS));
    },
  );

  it('let an emergency call pass and count it, up to a whole burst', async () => {
    await limits(layer);
    await admitAll(['a', 'b', 'c', 'd', 'e', 'f', 'g'], { ...WEST, ...EMERGENCY });
    expect(await decide('h', WEST)).toMatchObject({
      kind: 'rejected',
      limits: [{ ...scopeOf(what), max: 3, active: 3 }],
    });
    books.clock.advance(EACH_MS);
    await burst(['h']);
  });

  it('leave a key that expires when they are paid for', async () => {
    await limits(layer);
    await burst(['a', 'b']);
    const left = await books.redis.pttl(rateKey);
    expect(left).toBeGreaterThan(2 * EACH_MS - 20_000);
    expect(left).toBeLessThanOrEqual(2 * EACH_MS);
  });
});

describe('a rate', () => {
  const { books, limits, decide } = useLimits();

  // What a call takes is no whole number of milliseconds in any of these.
  it.each([
    [0.006, 1],
    [0.006, 3],
    [0.0011, 5],
    [0.0013, 20],
    [0.0019, 9],
    [1 / 3_000, 9],
  ])('of %d per second admits a burst of %i whole, not one more, and is given back whole', async (perSecond, burst) => {
    await limits({ groups: { trunk: { rate: { perSecond, burst } } } });
    const full = { kind: 'rejected', limits: [{ max: burst, active: burst }] };
    let last = { wanted: request('none'), token: 0 };
    for (let i = 0; i < burst; i++) {
      const wanted = request(`call-${i}`, WEST);
      const { decision, token } = await books.store.admit(tenant, wanted);
      expect([i, decision.kind]).toEqual([i, 'admitted']);
      last = { wanted, token };
    }
    expect(await decide('one-more', WEST)).toMatchObject(full);
    books.store.withdrawLater(tenant, last.wanted, last.token);
    await books.store.withdrawals.close();
    expect((await decide('instead', WEST)).kind).toBe('admitted');
    expect(await decide('one-more', WEST)).toMatchObject(full);
  });

  it('that is raised does not keep anybody out for what was owed at the old one', async () => {
    await limits({ userRate: { perSecond: 0.001, burst: 1 } });
    expect((await decide('a')).kind).toBe('admitted');
    await limits({ userRate: { perSecond: 0.01, burst: 1 } });
    expect((await decide('b')).kind).toBe('admitted');
    expect(await decide('c')).toMatchObject({ limits: [{ retryAfterMs: 100_000 }] });
  });

  it('that is full names itself beside the limits that are', async () => {
    await limits({ maxTotalSessions: 1, totalAction: 'terminate_oldest', userRate: { perSecond: 0.001, burst: 1 } });
    expect((await decide('a')).kind).toBe('admitted');
    const decision = await decide('b');
    expect(decision.kind === 'rejected' && decision.limits.map(({ scope }) => scope)).toEqual(['user', 'total']);
    expect(await books.redis.zrange(keys.deadlines, '0', '-1')).toEqual(['a']);
  });

  it('of zero for one group takes it out of the rate of its kind', async () => {
    const rate = { perSecond: 0.001, burst: 1 };
    await limits({ groups: { trunk: { rate, rates: { west: { perSecond: 0, burst: 1 } } } } });
    for (const id of ['a', 'b', 'c']) expect((await decide(id, WEST)).kind).toBe('admitted');
    expect((await decide('d', { groups: ['trunk:east'] })).kind).toBe('admitted');
    expect((await decide('e', { groups: ['trunk:east'] })).kind).toBe('rejected');
  });

  it('of users does not count a session without one', async () => {
    await limits({ userRate: { perSecond: 0.001, burst: 1 } });
    for (const id of ['a', 'b']) expect((await decide(id, { user: '' })).kind).toBe('admitted');
    expect(await books.redis.keys('*rates*')).toEqual([]);
  });
});
