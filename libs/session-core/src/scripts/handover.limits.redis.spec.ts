import { describe, expect, it } from '@jest/globals';
import { keys, request, tenant } from '../../test/fixture.js';
import { EMERGENCY, useLimits } from '../../test/limits.fixture.js';
import { entry, Reconciling } from '../../test/snapshot.fixture.js';

const OLDEST = 'terminate_oldest';

describe('a session that is given a user', () => {
  const { books, limits, admitAll, isLive, events, decide } = useLimits();
  const authenticate = (sessionId: string, user = 'alice') =>
    books.store.transfers.authenticate(tenant, { sessionId }, user);
  const transfer = (sessionId: string, user = 'alice') =>
    books.store.transfers.transfer(tenant, { sessionId }, { node: 'b2bua-2', epoch: 7, user });
  const handovers = [
    ['authenticated', authenticate, ''],
    ['transferred', transfer, 'bob'],
  ] as const;

  describe.each(handovers)('and is %s', (kind, handOver, user) => {
    const full = (max: number, active: number) => ({
      kind: 'rejected',
      limits: [{ scope: 'user', key: 'alice', max, active }],
    });

    it('is judged by the limit of that user, and stays as it was when there is no room', async () => {
      await limits({ users: { alice: 1 } });
      await admitAll(['a']);
      await admitAll(['b'], { user });
      expect(await handOver('b')).toMatchObject(full(1, 1));
      expect(await books.store.get(tenant, { sessionId: 'b' })).toMatchObject({ session: { user, node: 'b2bua-1' } });
      expect(await events(`session.${kind}`)).toEqual([]);
    });

    it("is judged by a class that the tenant has given the user, and by the user's own limit first", async () => {
      await limits({
        maxSessionsPerUser: 1,
        classes: { gold: 2 },
        userClasses: { alice: 'gold', carol: 'gold' },
        users: { carol: 1, bob: 9 },
      });
      for (const name of ['alice', 'carol']) {
        await admitAll([`first-of-${name}`], { user: name });
        await admitAll([`second-of-${name}`], { user });
      }
      expect(await handOver('second-of-alice')).toMatchObject({ kind: 'live', limits: [{ max: 2, active: 2 }] });
      expect(await handOver('second-of-carol', 'carol')).toMatchObject({ kind: 'rejected' });
    });

    it('heeds a temporary limit to its very millisecond', async () => {
      const untilMs = books.clock.nowMs + 1_000;
      await limits({ maxSessionsPerUser: 1, details: { 'user:alice': { temporary: { max: 2, untilMs } } } });
      await admitAll(['a']);
      await admitAll(['b', 'c'], { user, ...EMERGENCY });
      await admitAll(['d'], { user: user === 'bob' ? 'carol' : '' });
      books.clock.nowMs = untilMs;
      expect(await handOver('d')).toMatchObject(full(1, 1));
      books.clock.nowMs = untilMs - 1;
      expect(await handOver('d')).toMatchObject({ kind: 'live', limits: [{ max: 2, active: 2 }] });
    });

    it('passes where the limit is observed or off', async () => {
      for (const [id, layer] of [
        ['b', { maxSessionsPerUser: 1, details: { user: { observe: true } } }],
        ['c', { maxSessionsPerUser: 1, enabled: false }],
      ] as const) {
        await limits(layer);
        await admitAll([id], { user });
        expect(await handOver(id)).toMatchObject({ kind: 'live', terminated: [] });
      }
      for (const event of await events(`session.${kind}`)) expect(event).not.toHaveProperty('overshoot');
      expect(await books.redis.zcard(keys.userSessions('alice'))).toBe(2);
    });

    it('makes room by the oldest where the limit says so; the total and its groups, which it is in, are not asked', async () => {
      await limits({ users: { alice: 2 }, action: OLDEST });
      await admitAll(['a', 'b']);
      await admitAll(['c'], { user, groups: ['trunk:west'] });
      const alice = { users: { alice: 2 }, action: OLDEST } as const;
      await limits({ ...alice, maxTotalSessions: 3, groups: { trunk: { default: 1 } } });
      expect(await handOver('c')).toMatchObject({ kind: 'live', terminated: [{ id: 'a' }] });
      expect([await isLive('a'), await isLive('b'), await isLive('c')]).toEqual([false, true, true]);
      expect(await decide('d', { user: 'eve', groups: ['trunk:west'] })).toMatchObject({ kind: 'rejected' });
    });

    it('passes as an emergency call, which is overshoot exactly where the limit is exceeded', async () => {
      await limits({ users: { alice: 1 } });
      await admitAll(['x', 'y'], { user, ...EMERGENCY });
      await handOver('x');
      expect(await handOver('y')).toMatchObject({ kind: 'live', limits: [{ max: 1, active: 2 }] });
      const told = (await events(`session.${kind}`)).map(({ overshoot }) => overshoot);
      expect(told).toEqual([undefined, 'emergency']);
    });
  });
});

describe('a session that a list adopts', () => {
  const { books, limits, admitAll, events, decide } = useLimits();
  const overshoots = async () => (await events('session.adopted')).map(({ overshoot }) => overshoot ?? null);
  const adopt = async (count: number, said: Parameters<typeof entry>[1] = {}) => {
    const sessions = Array.from({ length: count }, (_, i) => entry(`call-${i}`, said));
    return await new Reconciling(books).list(sessions);
  };

  it.each([
    ['the user', { maxSessionsPerUser: 2 }],
    ['the total', { maxTotalSessions: 2 }],
    ['a group', { groups: { trunk: { default: 2 } } }],
    ['a group for now', { details: { 'group:trunk:west': { temporary: { max: 2, untilMs: 9e12 } } } }],
  ])('is overshoot exactly from the first that is above the limit of %s', async (_what, layer) => {
    await limits(layer);
    await new Reconciling(books).beat();
    expect(await adopt(4, { groups: ['trunk:west'] })).toMatchObject({ kind: 'complete', adopted: 4 });
    expect(await overshoots()).toEqual([null, null, 'adoption', 'adoption']);
  });

  it.each([
    ['observed', { maxTotalSessions: 1, details: { total: { observe: true } } }],
    ['off', { enabled: false, maxTotalSessions: 1, maxSessionsPerUser: 1 }],
  ])('is none where the limit is %s', async (_what, layer) => {
    await limits(layer);
    await new Reconciling(books).beat();
    await adopt(3);
    expect(await overshoots()).toEqual([null, null, null]);
  });

  it('holds its places in the order of starts as well', async () => {
    await limits({ maxTotalSessions: 2, totalAction: OLDEST });
    await new Reconciling(books).beat();
    await adopt(1, { startedAtMs: books.clock.nowMs - 60_000 });
    await admitAll(['b']);
    expect(await decide('c')).toMatchObject({ kind: 'admitted', terminated: [{ id: 'call-0' }] });
  });

  it('is in the groups that its own are within', async () => {
    await limits({ groups: { trunk: { parents: { west: 'carrier:acme' } }, carrier: { default: 1 } } });
    await new Reconciling(books).beat();
    await adopt(1, { groups: ['trunk:west'] });
    expect(await books.redis.zrange(keys.groupSessions('carrier:acme'), '0', '-1')).toEqual(['call-0']);
    expect((await books.store.admit(tenant, request('b', { groups: ['trunk:west'] }))).decision.kind).toBe('rejected');
  });
});
