import { describe, expect, it } from '@jest/globals';
import { HOUR_MS } from '#basics';
import { keys, request, tenant } from '../../test/fixture.js';
import { EMERGENCY, from, useLimits } from '../../test/limits.fixture.js';

const ADDRESS = '192.0.2.10';

describe('the admissions of an address within an hour', () => {
  const { books, limits, decide, check, admitAll, end } = useLimits();
  const perHour = (maxSessionsPerIpPerHour: number) => limits({ maxSessionsPerIpPerHour });
  const full = (max: number, retryAfterMs: number, key = ADDRESS) => ({
    kind: 'rejected',
    limits: [{ scope: 'ip', key, max, active: max, retryAfterMs }],
  });

  it('are counted exactly: an hour after an admission, and not a millisecond before, there is room again', async () => {
    await perHour(2);
    await admitAll(['a']);
    books.clock.advance(999);
    await admitAll(['b']);
    const sinceA = 1_001;
    expect(await decide('c')).toMatchObject(full(2, HOUR_MS - sinceA));
    books.clock.advance(HOUR_MS - sinceA - 1);
    expect(await check('c')).toMatchObject(full(2, 1));
    expect(await decide('c')).toMatchObject(full(2, 1));
    books.clock.advance(1);
    expect(await decide('c')).toMatchObject({ kind: 'admitted' });
    expect(await decide('d')).toMatchObject(full(2, 1_000));
    books.clock.advance(999);
    expect(await decide('d')).toMatchObject(full(2, 1));
    books.clock.advance(1);
    expect(await decide('d')).toMatchObject({ kind: 'admitted' });
  });

  it('that come in one millisecond count each', async () => {
    await perHour(3);
    const kinds = [];
    for (const id of ['a', 'b', 'c', 'd']) kinds.push((await decide(id)).kind);
    expect(kinds).toEqual(['admitted', 'admitted', 'admitted', 'rejected']);
  });

  it('do not grow by retries, refusals, checks and ends, but by a later attempt', async () => {
    await perHour(3);
    await limits({ maxSessionsPerIpPerHour: 3, maxSessionsPerUser: 1 });
    await admitAll(['a']);
    for (let i = 0; i < 5; i++) {
      expect(await decide('a')).toMatchObject({ repeated: true });
      expect(await decide('b')).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user' }] });
      expect(await check('c', { user: 'bob' })).toMatchObject({ kind: 'admitted' });
    }
    expect(await books.redis.zcard(keys.ipRate(ADDRESS))).toBe(1);
    await admitAll(['a'], { attempt: 2 });
    await end('a');
    expect(await books.redis.zcard(keys.ipRate(ADDRESS))).toBe(2);
  });

  it('are given back by a withdrawal: the place in the hour too', async () => {
    await perHour(1);
    const wanted = request('a');
    const { token } = await books.store.admit(tenant, wanted);
    books.clock.advance(10);
    expect(await decide('b')).toMatchObject(full(1, HOUR_MS - 10));
    books.store.withdrawLater(tenant, wanted, token);
    await books.store.withdrawals.close();
    expect(await decide('b')).toMatchObject({ kind: 'admitted' });
    expect(await books.redis.zcard(keys.ipRate(ADDRESS))).toBe(1);
  });

  it('of IPv6 are those of a /64, of IPv4 those of the address; without an address nobody counts', async () => {
    await perHour(1);
    await admitAll(['a'], from('2001:db8:1:2::1'));
    expect(await decide('b', from('2001:DB8:1:2:ffff::9'))).toMatchObject(full(1, HOUR_MS - 1, '2001:db8:1:2::/64'));
    await admitAll(['c'], from('2001:db8:1:3::1'));
    await admitAll(['d'], from('192.0.2.11'));
    expect(await decide('e', from('::ffff:192.0.2.11'))).toMatchObject({ kind: 'rejected' });
    await admitAll(['f', 'g', 'h'], from(null));
  });

  it('let an emergency call and a session that has started pass, and count them', async () => {
    await perHour(1);
    await admitAll(['a']);
    await admitAll(['b'], EMERGENCY);
    expect(await books.store.started(tenant, request('c'))).toMatchObject({ kind: 'admitted' });
    expect(await decide('d')).toMatchObject({ limits: [{ scope: 'ip', max: 1, active: 3 }] });
    expect(await books.redis.zcard(keys.ipRate(ADDRESS))).toBe(3);
  });

  it('are only told where they are observed', async () => {
    await limits({ maxSessionsPerIpPerHour: 1, details: { ip: { observe: true } } });
    await admitAll(['a']);
    const decision = await decide('b');
    expect(decision).toMatchObject({ kind: 'admitted' });
    expect(decision.kind === 'admitted' && decision.limits.filter(({ scope }) => scope === 'ip')).toEqual([
      { scope: 'ip', key: ADDRESS, max: 1, active: 1, observed: true, retryAfterMs: HOUR_MS - 1 },
    ]);
  });

  it.each([45_000, HOUR_MS])('never exceed their number when the clock steps back by %i ms', async (ms) => {
    await perHour(2);
    await admitAll(['a', 'b']);
    books.clock.advance(-ms);
    expect(await decide('c')).toMatchObject({ kind: 'rejected' });
    books.clock.advance(ms + HOUR_MS - 2);
    expect(await decide('c')).toMatchObject({ kind: 'admitted' });
    expect(await decide('d')).toMatchObject({ kind: 'rejected' });
    books.clock.advance(1);
    expect(await decide('d')).toMatchObject({ kind: 'admitted' });
  });

  it('do not keep anybody out when the clock was far ahead and has been set right', async () => {
    await perHour(1);
    await admitAll(['a']);
    books.clock.advance(-300 * 24 * HOUR_MS);
    expect(await decide('b')).toMatchObject({ kind: 'admitted' });
    expect(await decide('c')).toMatchObject(full(1, HOUR_MS));
  });

  it('are forgotten an hour after the last', async () => {
    await perHour(5);
    await admitAll(['a']);
    const left = await books.redis.pttl(keys.ipRate(ADDRESS));
    expect(left).toBeGreaterThan(HOUR_MS - 10_000);
    expect(left).toBeLessThanOrEqual(HOUR_MS);
    books.clock.advance(HOUR_MS);
    await admitAll(['b']);
    expect(await books.redis.zcard(keys.ipRate(ADDRESS))).toBe(1);
  });
});
