import { describe, expect, it } from '@jest/globals';
import { keys, request, tenant } from './fixture.js';
import { EMERGENCY, from, useLimits } from './limits.fixture.js';

describe('the stream of refusals', () => {
  const { books, limits, decide, aboard, refusals, check } = useLimits();
  const times = async (count: number, said = {}, prefix = 'refused') => {
    for (let i = 0; i < count; i++) expect((await decide(`${prefix}-${i}`, said)).kind).toBe('rejected');
  };
  const upkeep = (batch = 100) => books.store.upkeep(tenant, 0, batch);
  const counts = async () => (await refusals()).map(({ user, count }) => `${user}:${count ?? 'full'}`);

  it('has one in full per user, limit and second; the others of that second are one sum, by the next refusal', async () => {
    await limits({ maxSessionsPerUser: 1, maxTotalSessions: 2 });
    await aboard(['a']);
    await aboard(['b'], { user: 'bob' });
    await times(4);
    await times(3, { user: 'eve' });
    await times(1, { user: 'bob' });
    expect(await counts()).toEqual(['alice:full', 'eve:full', 'bob:full']);
    books.clock.advance(1_000);
    await times(2, {}, 'later');
    expect(await counts()).toEqual(['alice:full', 'eve:full', 'bob:full', 'alice:3', 'alice:full']);
    const [, , , sum] = await refusals();
    expect(sum).toMatchObject({
      type: 'session.rejected',
      sessionId: '',
      user: 'alice',
      count: '3',
      tenant: 'default',
    });
    expect(JSON.parse(sum?.['limits'] ?? '')).toEqual([
      { scope: 'user', key: 'alice', max: 1, active: 1 },
      { scope: 'total', key: '*', max: 2, active: 2 },
    ]);
  });

  it('gets a sum by upkeep once the second is over, in which nobody was refused again', async () => {
    await limits({ maxTotalSessions: 1 });
    await aboard(['a']);
    await times(5);
    await times(1, { user: 'bob' });
    await upkeep();
    expect(await counts()).toEqual(['alice:full', 'bob:full']);
    books.clock.advance(1_000);
    await upkeep();
    await upkeep();
    expect(await counts()).toEqual(['alice:full', 'bob:full', 'alice:4']);
    expect(await books.redis.exists(keys.refusals)).toBe(0);
  });

  it('tells apart what one user is refused by: two limits, two sums', async () => {
    await limits({ groups: { trunk: { default: 1 } } });
    await aboard(['a'], { groups: ['trunk:west', 'trunk:east'] });
    await times(3, { groups: ['trunk:west'] });
    await times(2, { groups: ['trunk:east'] });
    books.clock.advance(1_000);
    await upkeep();
    expect((await counts()).toSorted()).toEqual(['alice:1', 'alice:2', 'alice:full', 'alice:full']);
  });

  it('loses nobody when the clock steps back: what was counted is written down, once', async () => {
    await limits({ maxTotalSessions: 1 });
    await aboard(['a']);
    await times(3);
    await times(3, { user: 'bob' });
    books.clock.advance(-45_000);
    await times(2);
    await upkeep();
    books.clock.advance(1_000);
    await upkeep();
    expect((await counts()).toSorted()).toEqual([
      'alice:1',
      'alice:2',
      'alice:full',
      'alice:full',
      'bob:2',
      'bob:full',
    ]);
  });

  it('hears nothing of checks, nor of what passes', async () => {
    await limits({ maxTotalSessions: 1 });
    await aboard(['a']);
    await check('b');
    await aboard(['c'], EMERGENCY);
    expect(await refusals()).toEqual([]);
    expect(await books.redis.exists(keys.refusals)).toBe(0);
  });

  it('tells handovers that were refused like admissions', async () => {
    await limits({ maxSessionsPerUser: 1 });
    await aboard(['a']);
    await aboard(['b'], { user: '' });
    for (let i = 0; i < 3; i++) await books.store.transfers.authenticate(tenant, { sessionId: 'b' }, 'alice');
    books.clock.advance(1_000);
    await upkeep();
    expect(await counts()).toEqual(['alice:full', 'alice:2']);
  });

  it('is bounded, and so is what is counted: beyond it each refusal is told in full', async () => {
    await limits({ maxTotalSessions: 1 });
    await aboard(['a']);
    const filled = Array.from({ length: 10_000 }, (_, i) => [`["u${i}","total:*"]`, '1800000000 0 []']).flat();
    await books.redis.hset(keys.refusals, ...filled);
    for (let batch = 0; batch < 103; batch++) {
      await Promise.all(
        Array.from({ length: 100 }, (_, i) => decide(`refused-${batch}-${i}`, { user: `user-${i % 3}` })),
      );
    }
    expect(await books.redis.hlen(keys.refusals)).toBe(10_000);
    const length = await books.redis.xlen(keys.rejections);
    expect(length).toBeGreaterThanOrEqual(10_000);
    expect(length).toBeLessThan(10_300);
  });

  it('gets every sum of a storm of thousands of users, although the hash has shrunk meanwhile', async () => {
    const users = Array.from({ length: 5_000 }, (_, i) => `user-${i}`);
    await limits({ maxTotalSessions: 1 });
    await aboard(['a']);
    for (let at = 0; at < users.length; at += 500) {
      const some = users.slice(at, at + 500);
      await Promise.all([1, 2].flatMap((time) => some.map((user) => decide(`${user}/${time}`, { user }))));
    }
    books.clock.advance(1_000);
    for (let passes = 0; passes < 60; passes++) await upkeep(200);
    expect(await books.redis.hlen(keys.refusals)).toBe(0);
  }, 60_000);

  it('gets sums of as many as a batch has each time, until none is left', async () => {
    await limits({ maxTotalSessions: 1 });
    await aboard(['a']);
    for (let i = 0; i < 300; i++) await times(2, { user: `user-${i}` });
    books.clock.advance(1_000);
    for (let pass = 0; pass < 30 && (await books.redis.exists(keys.refusals)) === 1; pass++) await upkeep(50);
    expect(await books.redis.exists(keys.refusals)).toBe(0);
    expect((await refusals()).filter(({ count }) => count === '1')).toHaveLength(300);
  });
});

describe('the alert on sessions created within an hour', () => {
  const { books, limits, decide, aboard, events, end } = useLimits();
  const upkeep = () => books.store.upkeep(tenant, 0, 100);
  const MINUTE_MS = 60_000;

  it('is raised once above the threshold, is over when it is not any more, and is raised again', async () => {
    await limits({ alertThreshold: 2 });
    await aboard(['a', 'b']);
    expect(await upkeep()).toEqual({ creationAlert: null, created: 2, threshold: 2 });
    await aboard(['c']);
    await end('c');
    expect(await upkeep()).toEqual({ creationAlert: 'raised', created: 3, threshold: 2 });
    await aboard(['d']);
    expect(await upkeep()).toEqual({ creationAlert: null, created: 4, threshold: 2 });
    books.clock.advance(59 * MINUTE_MS);
    expect(await upkeep()).toMatchObject({ creationAlert: null, created: 4 });
    books.clock.advance(MINUTE_MS);
    expect(await upkeep()).toMatchObject({ creationAlert: 'over', created: 0 });
    expect(await upkeep()).toMatchObject({ creationAlert: null });
    await aboard(['e', 'f', 'g']);
    expect(await upkeep()).toMatchObject({ creationAlert: 'raised', created: 3 });
    expect((await events('creation.alert')).map(({ created, threshold }) => [created, threshold])).toEqual([
      ['3', '2'],
      ['3', '2'],
    ]);
  });

  it('counts whoever came aboard, once: emergency calls and what had started too, no retry and no refusal', async () => {
    await limits({ alertThreshold: 9, maxSessionsPerUser: 3 });
    await aboard(['a']);
    await aboard(['x'], EMERGENCY);
    await books.store.started(tenant, request('b'));
    expect(await decide('a')).toMatchObject({ repeated: true });
    expect(await decide('c', from(null))).toMatchObject({ kind: 'rejected' });
    expect(await upkeep()).toMatchObject({ created: 3 });
  });

  it('is over at once when the threshold is raised or taken away', async () => {
    await limits({ alertThreshold: 1 });
    await aboard(['a', 'b']);
    expect(await upkeep()).toMatchObject({ creationAlert: 'raised' });
    await limits({ alertThreshold: 2 });
    expect(await upkeep()).toMatchObject({ creationAlert: 'over' });
    await limits({ alertThreshold: 1 });
    expect(await upkeep()).toMatchObject({ creationAlert: 'raised' });
    await limits({});
    expect(await upkeep()).toMatchObject({ creationAlert: 'over' });
    expect(await upkeep()).toMatchObject({ creationAlert: null });
  });

  it('forgets nothing when the clock steps back by 45 s', async () => {
    await limits({ alertThreshold: 3 });
    await aboard(['a', 'b']);
    books.clock.advance(-45_000);
    expect(await upkeep()).toMatchObject({ created: 2 });
    await aboard(['c', 'd']);
    expect(await upkeep()).toMatchObject({ creationAlert: 'raised', created: 4 });
  });

  it('keeps no more than the minutes of an hour, and nothing two hours after the last', async () => {
    await limits({ alertThreshold: 1_000 });
    for (let i = 0; i < 70; i++) {
      await aboard([`call-${i}`]);
      books.clock.advance(MINUTE_MS);
    }
    expect(await upkeep()).toMatchObject({ created: 59 });
    expect(await books.redis.hlen(keys.creations)).toBe(59);
    expect(await books.redis.pttl(keys.creations)).toBeGreaterThan(7_100_000);
  });
});
