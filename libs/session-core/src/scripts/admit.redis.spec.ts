import { describe, expect, it } from '@jest/globals';
import { DAY_MS } from '#basics';
import { admitted, keys, request, useBooks, streamOf, tenant } from '../../test/fixture.js';

describe('admit', () => {
  const books = useBooks();

  async function decide(...args: Parameters<typeof request>) {
    return (await books.store.admit(tenant, request(...args))).decision;
  }

  async function limit(maxSessionsPerUser: number, action: 'reject' | 'terminate_oldest' = 'reject') {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser, action }));
  }

  it('admits up to the default limit of five and refuses the sixth, naming the limit that was full', async () => {
    for (let i = 1; i <= 5; i++) {
      expect(await decide(`call-${i}`)).toMatchObject({
        kind: 'admitted',
        limits: [{ scope: 'user', key: 'alice', max: 5, active: i }],
      });
    }
    expect(await decide('call-6')).toEqual({
      kind: 'rejected',
      limits: [{ scope: 'user', key: 'alice', max: 5, active: 5 }],
      policyVersion: 1,
    });
    expect(await decide('call-7', { user: 'bob' })).toMatchObject({ kind: 'admitted' });
  });

  it('answers with the session as the books have it', async () => {
    const { session } = await admitted(books.store, request('call-1', { groups: ['trunk:west'] }));
    const found = await books.store.get(tenant, { sessionId: 'call-1' });
    expect(found).toEqual({ kind: 'live', session });
    expect(session).toMatchObject({
      ...request('call-1').facts,
      id: 'call-1',
      user: 'alice',
      node: 'b2bua-1',
      groups: ['trunk:west'],
      startedAtMs: books.clock.nowMs,
      endsByMs: books.clock.nowMs + DAY_MS,
      expiresAtMs: books.clock.nowMs + DAY_MS,
    });
  });

  it('gives a retry the same place, with the session as it is now', async () => {
    await admitted(books.store, request('call-1'));
    books.clock.advance(5_000);
    await books.store.renew(tenant, { sessionId: 'call-1' }, { bytesSent: 160 });
    const again = await admitted(
      books.store,
      request('call-1', { node: 'b2bua-2', facts: { ...request('x').facts, to: null } }),
    );
    expect(again).toMatchObject({
      repeated: true,
      session: { node: 'b2bua-1', to: 'sip:bob@example.com', bytesSent: 160 },
      limits: [{ active: 1 }],
    });
    expect(await books.redis.zcard(keys.deadlines)).toBe(1);
  });

  it('gives a retry its place even when the limit has been filled or lowered since', async () => {
    await limit(1);
    await admitted(books.store, request('call-1'));
    expect((await admitted(books.store, request('call-1'))).repeated).toBe(true);
  });

  it('costs one place however many duplicates race', async () => {
    const racing = await Promise.all(Array.from({ length: 50 }, () => decide('call-1')));
    expect(racing.filter((decision) => decision.kind === 'admitted' && !decision.repeated)).toHaveLength(1);
    expect(racing.every((decision) => decision.kind === 'admitted')).toBe(true);
    expect(await books.redis.zcard(keys.userSessions('alice'))).toBe(1);
  });

  it('never exceeds the limit under 500 racing admissions at the last place', async () => {
    const racing = await Promise.all(Array.from({ length: 500 }, (_, i) => decide(`call-${i}`)));
    expect(racing.filter((decision) => decision.kind === 'admitted')).toHaveLength(5);
  });

  it('counts sessions that start in the same millisecond apart', async () => {
    await limit(2);
    expect([await decide('a'), await decide('b'), await decide('c')].map(({ kind }) => kind)).toEqual([
      'admitted',
      'admitted',
      'rejected',
    ]);
  });

  it.each([0, -1])('reads a limit of %i as unlimited', async (max) => {
    await limit(max);
    for (let i = 0; i < 70; i++) await admitted(books.store, request(`call-${i}`));
    expect(await decide('one-more')).toMatchObject({ kind: 'admitted', limits: [{ max: 0, active: 71 }] });
  });

  it('lets an override win over the default, also one that is larger, smaller or unlimited', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1, users: { bob: 2, carol: 0 } }));
    const kinds = async (user: string) => {
      const decisions = [1, 2, 3].map((i) => decide(`${user}-${i}`, { user }));
      return (await Promise.all(decisions)).filter(({ kind }) => kind === 'admitted').length;
    };
    expect([await kinds('alice'), await kinds('bob'), await kinds('carol')]).toEqual([1, 2, 3]);
  });

  it('tracks and never refuses while limits are switched off', async () => {
    await books.store.limits.change(tenant, () => ({ enabled: false, maxSessionsPerUser: 1 }));
    await admitted(books.store, request('call-1'));
    expect(await decide('call-2')).toMatchObject({ kind: 'admitted', limits: [{ active: 2 }] });
  });

  it('refuses an id that has ended, and takes a new attempt of it as a new session', async () => {
    await admitted(books.store, request('call-1', { attempt: 101 }));
    await books.store.end(tenant, { sessionId: 'call-1' }, { reason: 'completed', by: 'node' });
    expect(await decide('call-1', { attempt: 101 })).toMatchObject({
      kind: 'ended',
      session: { endReason: 'completed' },
    });
    expect(await decide('call-1', { attempt: 100 })).toMatchObject({ kind: 'ended' });
    expect(await decide('call-1', { attempt: 102 })).toMatchObject({ kind: 'admitted', repeated: false });
  });

  it('lets a new attempt of a live id take its place: at the limit, at the cost of one', async () => {
    await limit(1);
    await admitted(books.store, request('call-1', { attempt: 1 }));
    expect(await decide('call-1', { attempt: 2 })).toMatchObject({
      kind: 'admitted',
      repeated: false,
      limits: [{ active: 1 }],
    });
    expect(await decide('call-1', { attempt: 1 })).toEqual({ kind: 'ended', session: null });
    expect(
      await books.store.end(tenant, { sessionId: 'call-1' }, { reason: 'completed', by: 'node', attempt: 1 }),
    ).toEqual({
      kind: 'superseded',
    });
    expect((await books.store.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
  });

  it('leaves the older attempt alone when the new one is refused', async () => {
    await limit(2);
    await admitted(books.store, request('call-1'));
    await admitted(books.store, request('call-2'));
    await limit(1);
    expect((await decide('call-1', { attempt: 2 })).kind).toBe('rejected');
    expect(await books.store.get(tenant, { sessionId: 'call-1' })).toMatchObject({
      kind: 'live',
      session: { attempt: 1 },
    });
  });

  it('refuses an id that lives with another user', async () => {
    await admitted(books.store, request('call-1'));
    expect(await decide('call-1', { user: 'bob' })).toEqual({ kind: 'id-conflict' });
  });

  it('frees a place the moment a session is due, no sweep needed', async () => {
    await limit(1);
    await admitted(books.store, request('call-1', { policy: { idleMs: 0, maxDurationMs: 1000, reservationMs: 1 } }));
    books.clock.advance(999);
    expect((await decide('call-2')).kind).toBe('rejected');
    books.clock.advance(1);
    expect((await decide('call-2')).kind).toBe('admitted');
    expect(await books.store.get(tenant, { sessionId: 'call-1' })).toMatchObject({
      session: { endReason: 'max_duration' },
    });
  });

  it('ends exactly as many of the oldest as are needed, and tells their node', async () => {
    await limit(3, 'terminate_oldest');
    for (const id of ['first', 'second', 'third']) {
      await admitted(books.store, request(id));
      books.clock.advance(10);
    }
    const fourth = await admitted(books.store, request('fourth'));
    expect(fourth.terminated).toEqual([{ id: 'first', node: 'b2bua-1', startedAtMs: books.clock.nowMs - 30 }]);
    await limit(1, 'terminate_oldest');
    const fifth = await admitted(books.store, request('fifth'));
    expect(fifth.terminated.map(({ id }) => id)).toEqual(['second', 'third', 'fourth']);
    expect(await books.redis.zrange(keys.userSessions('alice'), '0', '-1')).toEqual(['fifth']);

    const commands = await books.redis.hgetall(keys.commands('b2bua-1'));
    expect(Object.keys(commands).toSorted()).toEqual(['first', 'fourth', 'second', 'third']);
    expect(JSON.parse(commands['first'] ?? '')).toMatchObject({ sessionId: 'first', attempt: 1, reason: 'evicted' });
  });

  it('never evicts an emergency session, which itself passes a full limit and is shown as overshoot', async () => {
    await limit(1, 'terminate_oldest');
    await admitted(books.store, request('emergency', { priority: 'emergency' }));
    expect((await decide('normal')).kind).toBe('rejected');
    await admitted(books.store, request('second-emergency', { priority: 'emergency' }));
    const events = await streamOf(books.redis, keys.events);
    expect(events.at(-1)).toMatchObject({ type: 'session.admitted', userActive: '2', overshoot: 'emergency' });
  });

  it('evicts at most 64 in one decision after a limit was lowered far, and shows the rest as overshoot', async () => {
    await limit(0);
    for (let i = 0; i < 100; i++) await admitted(books.store, request(`call-${i}`));
    await limit(5, 'terminate_oldest');
    const decision = await admitted(books.store, request('new'));
    expect(decision.terminated).toHaveLength(64);
    expect(decision.limits).toEqual([{ scope: 'user', key: 'alice', max: 5, active: 37 }]);
    expect((await streamOf(books.redis, keys.events)).at(-1)).toMatchObject({ overshoot: 'lowered_limit' });
  });

  it('writes the event with the effect, and the refusal to a stream of its own', async () => {
    await limit(1);
    await admitted(books.store, request('call-1', { state: 'reserved' }));
    await decide('call-2');
    const [event] = await streamOf(books.redis, keys.events);
    expect(event).toMatchObject({
      v: '1',
      id: `call-1/1/admitted/${books.clock.nowMs}`,
      type: 'session.reserved',
      tenant: 'default',
      at: String(books.clock.nowMs),
      userActive: '1',
      totalActive: '1',
    });
    expect(JSON.parse(event?.['session'] ?? '')).toMatchObject({ id: 'call-1', user: 'alice', state: 'reserved' });
    expect(await streamOf(books.redis, keys.rejections)).toEqual([
      expect.objectContaining({ type: 'session.rejected', sessionId: 'call-2', user: 'alice' }),
    ]);
  });

  it('tells after each event of one step how many each of its groups has then', async () => {
    const groups = { trunk: { default: 2, action: 'terminate_oldest', parents: { west: 'carrier:acme' } } } as const;
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0, groups }));
    const inWest = { groups: ['trunk:west'] };
    await admitted(
      books.store,
      request('due', { ...inWest, policy: { idleMs: 0, maxDurationMs: 5, reservationMs: 0 } }),
    );
    for (const id of ['call-1', 'plain']) await admitted(books.store, request(id, id === 'plain' ? {} : inWest));
    await books.store.limits.change(tenant, () => ({
      maxSessionsPerUser: 0,
      groups: { trunk: { ...groups.trunk, default: 1 } },
    }));
    books.clock.advance(10);
    await admitted(books.store, request('call-2', inWest));
    const told = (await streamOf(books.redis, keys.events)).map(({ type, groupsActive }) => [type, groupsActive]);
    const both = (count: number) => ({ 'trunk:west': count, 'carrier:acme': count });
    expect(told.map(([type, json]) => [type, json === undefined ? null : JSON.parse(json)])).toEqual([
      ['session.admitted', both(1)],
      ['session.admitted', both(2)],
      ['session.admitted', null],
      ['session.ended', both(1)],
      ['session.ended', both(0)],
      ['session.admitted', both(1)],
    ]);
  });

  it('changes nothing when it only checks', async () => {
    await limit(1, 'terminate_oldest');
    await admitted(books.store, request('call-1'));
    const before = await books.redis.keys('*');
    expect(await books.store.check(tenant, request('call-2'))).toMatchObject({
      kind: 'admitted',
      terminated: [{ id: 'call-1' }],
    });
    expect((await books.store.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
    expect((await books.redis.keys('*')).toSorted()).toEqual(before.toSorted());
  });

  it('publishes the limits of the file again when Redis has lost everything', async () => {
    await books.store.limits.publishFile(tenant, { maxSessionsPerUser: 1 }, 'gateway-1');
    await books.redis.flushall();
    expect((await decide('call-1')).kind).toBe('admitted');
    expect((await decide('call-2')).kind).toBe('rejected');
  });

  it('is not seen to lose its script', async () => {
    await admitted(books.store, request('call-1'));
    await books.redis.script('FLUSH');
    expect((await decide('call-2')).kind).toBe('admitted');
  });
});
