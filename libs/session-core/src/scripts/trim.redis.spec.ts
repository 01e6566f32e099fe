import { describe, expect, it } from '@jest/globals';
import { keys, streamOf, tenant } from '../../test/fixture.js';
import { EMERGENCY, useLimits } from '../../test/limits.fixture.js';

const OLDEST = 'terminate_oldest';
const WEST = { groups: ['trunk:west'] };
const ids = (count: number) => Array.from({ length: count }, (_, i) => `call-${String(i).padStart(2, '0')}`);

describe('trim', () => {
  const { books, limits, admitAll, end, events } = useLimits();
  const trim = async (key: string, batch = 100) => {
    const { ended, over } = await books.store.trim(tenant, key, batch, 'ops');
    return { ended: ended.map(({ id }) => id), over };
  };

  it.each(['user:alice', 'group:trunk:west', 'total'])('ends the newest above %s where it refuses', async (key) => {
    await limits({});
    await admitAll(ids(5), WEST);
    await limits({ users: { alice: 3 }, groups: { trunk: { overrides: { west: 3 } } }, maxTotalSessions: 3 });
    expect(await trim(key)).toEqual({ ended: ['call-04', 'call-03'], over: 0 });
    expect(await trim(key)).toEqual({ ended: [], over: 0 });
    expect((await events('session.ended')).map(({ reason, note }) => `${reason}: ${note}`)).toEqual([
      'evicted: limit lowered to 3',
      'evicted: limit lowered to 3',
    ]);
    expect(await books.redis.hkeys(keys.commands('b2bua-1'))).toHaveLength(2);
  });

  it.each(['user:alice', 'group:trunk:west', 'total'])('ends the oldest above %s where that does', async (key) => {
    await limits({ totalAction: OLDEST });
    await admitAll(ids(5), WEST);
    const groups = { trunk: { default: 3, action: OLDEST } } as const;
    await limits({ maxSessionsPerUser: 3, action: OLDEST, groups, maxTotalSessions: 3, totalAction: OLDEST });
    expect(await trim(key)).toEqual({ ended: ['call-00', 'call-01'], over: 0 });
  });

  it('goes by batches, and says how many are above still', async () => {
    await limits({});
    await admitAll(ids(150));
    await limits({ maxSessionsPerUser: 3 });
    for (let above = 147; above > 0;) {
      const { ended, over } = await trim('user:alice', 10);
      expect(ended.length).toBeGreaterThan(0);
      expect(over).toBe(above - ended.length);
      above = over;
    }
    expect(await books.redis.zcard(keys.userSessions('alice'))).toBe(3);
  });

  it('never ends an emergency call, so that more than the limit may stay', async () => {
    await limits({});
    await admitAll(['a', 'b']);
    await admitAll(['x', 'y', 'z'], EMERGENCY);
    await limits({ maxSessionsPerUser: 2 });
    expect(await trim('user:alice')).toEqual({ ended: ['b', 'a'], over: 1 });
    expect(await books.redis.zcard(keys.deadlines)).toBe(3);
  });

  it('never ends more than are above, whoever else ends them meanwhile', async () => {
    await limits({});
    await admitAll(ids(40));
    await limits({ maxSessionsPerUser: 20 });
    const ends = ids(40).filter((_, i) => i % 4 === 3);
    await Promise.all([...[1, 2, 3, 4].map(() => trim('user:alice')), ...ends.map((id) => end(id))]);
    await trim('user:alice');
    const left = await books.redis.zcard(keys.userSessions('alice'));
    expect(left).toBeGreaterThanOrEqual(20 - ends.length);
    const evicted = (await events('session.ended')).filter(({ reason }) => reason === 'evicted');
    for (const { userActive } of evicted) expect(Number(userActive)).toBeGreaterThanOrEqual(20);
  });

  it('ends nobody where the limit is off, observed or unlimited, and heeds a temporary one', async () => {
    const layer = { maxSessionsPerUser: 1 };
    await limits({});
    await admitAll(ids(3));
    const untilMs = books.clock.nowMs + 1_000;
    for (const none of [
      { ...layer, enabled: false },
      { ...layer, details: { user: { observe: true } } },
      { ...layer, details: { 'user:alice': { temporary: { max: 5, untilMs } } } },
      { maxSessionsPerUser: 0 },
    ]) {
      await limits(none);
      expect(await trim('user:alice')).toEqual({ ended: [], over: 0 });
    }
    await limits({ details: { 'user:alice': { temporary: { max: 2, untilMs } } } });
    expect(await trim('user:alice')).toEqual({ ended: ['call-02'], over: 0 });
    books.clock.nowMs = untilMs;
    expect(await trim('user:alice')).toEqual({ ended: [], over: 0 });
  });

  it.each(['user', 'ip', 'kind:trunk', 'class:gold', 'nonsense'])('refuses %s, which is no one limit', async (key) => {
    await expect(trim(key)).rejects.toMatchObject({ code: 'invalid-request' });
  });
});

describe('the order of starts', () => {
  const { books, limits, decide, admitAll, end } = useLimits();
  const upkeep = (batch = 100) => books.store.upkeep(tenant, 0, batch);
  const started = () => books.redis.zrange(keys.started, '0', '-1');
  const oldest = (maxTotalSessions: number) => limits({ maxTotalSessions, totalAction: OLDEST });

  it('is kept only for a total that ends the oldest', async () => {
    await limits({ maxTotalSessions: 5 });
    await admitAll(['a']);
    await upkeep();
    expect(await started()).toEqual([]);
  });

  it('is completed by upkeep when it is switched on with live sessions, so that the oldest can go', async () => {
    await limits({});
    await admitAll(['b', 'a', 'c']);
    await oldest(3);
    await upkeep();
    expect(await started()).toEqual(['b', 'a', 'c']);
    expect(await decide('d')).toMatchObject({ kind: 'admitted', terminated: [{ id: 'b' }] });
    expect(await started()).toEqual(['a', 'c', 'd']);
  });

  it('is completed in batches, also for 1,000 sessions while others come and go', async () => {
    await limits({});
    await Promise.all(ids(1_000).map((id) => decide(id, { user: id })));
    await oldest(5_000);
    for (let pass = 0; pass < 40; pass++) {
      await upkeep(50);
      await decide(`new-${pass}`);
      await end(ids(1_000)[pass * 25] ?? '');
    }
    await upkeep(50);
    expect((await started()).toSorted()).toEqual((await books.redis.zrange(keys.deadlines, '0', '-1')).toSorted());
  });

  /** It was on while a and b began, and is off since; a has ended, c has begun. */
  const switchedOff = async () => {
    await oldest(3);
    await admitAll(['a', 'b']);
    await limits({});
    await end('a');
    await admitAll(['c']);
  };

  it('is gone by upkeep when it is switched off, and complete when it is switched on again', async () => {
    await switchedOff();
    await upkeep();
    expect(await books.redis.exists(keys.started)).toBe(0);
    await oldest(2);
    await upkeep();
    expect(await started()).toEqual(['b', 'c']);
  });

  it('is complete too when it was switched off and on again between two upkeeps', async () => {
    await switchedOff();
    await oldest(2);
    for (let pass = 0; pass < 3; pass++) await upkeep();
    expect(await started()).toEqual(['b', 'c']);
  });

  it('loses whoever ends, however that is', async () => {
    await oldest(9);
    await admitAll(['ended', 'killed', 'withdrawn', 'stays']);
    await admitAll(['due'], { policy: { idleMs: 0, maxDurationMs: 10, reservationMs: 0 } });
    books.clock.advance(10);
    await end('ended');
    await books.store.end(tenant, { sessionId: 'killed' }, { reason: 'killed', by: 'berth' });
    await books.store.sweep(tenant, 0, 10);
    await books.store.transfers.transfer(
      tenant,
      { sessionId: 'withdrawn' },
      { node: 'b2bua-2', epoch: 7, newId: 'moved' },
    );
    expect(await started()).toEqual(['moved', 'stays']);
    expect((await streamOf(books.redis, keys.events)).length).toBeGreaterThan(0);
  });
});
