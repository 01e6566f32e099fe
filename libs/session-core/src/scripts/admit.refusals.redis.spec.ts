import { describe, expect, it } from '@jest/globals';
import { Books } from '../books.js';
import { boundedStore } from '../../test/bounded-store.js';
import { keys, request, tenant } from '../../test/fixture.js';
import { EMERGENCY, from, useLimits } from '../../test/limits.fixture.js';

describe('the stream of refusals', () => {
  const { books, limits, decide, admitAll, refusals, check } = useLimits();
  const times = async (count: number, said = {}, prefix = 'refused') => {
    for (let i = 0; i < count; i++) expect((await decide(`${prefix}-${i}`, said)).kind).toBe('rejected');
  };
  const upkeep = (batch = 100) => books.store.upkeep(tenant, 0, batch);
  const counts = async () => (await refusals()).map(({ user, count }) => `${user}:${count ?? 'full'}`);

  it('has one in full per user, limit and second; the others of that second are one sum, by the next refusal', async () => {
    await limits({ maxSessionsPerUser: 1, maxTotalSessions: 2 });
    await admitAll(['a']);
    await admitAll(['b'], { user: 'bob' });
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
      { scope: 'user', key: 'alice', max: 1, active: 1, action: 'reject' },
      { scope: 'total', key: '*', max: 2, active: 2, action: 'reject' },
    ]);
  });

  it('dates a sum by the second that it sums, however late it is written', async () => {
    await limits({ maxTotalSessions: 1 });
    await admitAll(['a']);
    books.clock.advance(700);
    await times(3);
    books.clock.advance(86_400_000);
    await upkeep();
    const [first, sum] = await refusals();
    const at = String(books.clock.nowMs);
    expect(sum).toMatchObject({ count: '2', since: String(1_800_000_000_000), at });
    expect(first).not.toHaveProperty('since');
  });

  it('says of one in full who asked, where it came from and wanted to go, as far as that is known; of a sum nothing', async () => {
    const told = {
      sourceIp: '192.0.2.10',
      sourcePort: '5060',
      destination: '198.51.100.7:5060',
      protocol: 'sip',
      node: 'b2bua-1',
    };
    const { facts } = request('x');
    await limits({ maxTotalSessions: 1, groups: { trunk: { default: 1 } } });
    await admitAll(['a'], { groups: ['trunk:west'] });
    await times(2);
    const bobs = { ...facts, sourcePort: null, destination: null, protocol: 'socks' };
    await times(1, { user: 'bob', node: null, epoch: null, facts: bobs });
    const eves = { ...facts, correlationId: 'leg-1' };
    await times(1, { user: 'eve', groups: ['trunk:west'], state: 'reserved', facts: eves });
    books.clock.advance(1_000);
    await upkeep();
    const found = await refusals();
    expect(found).toMatchObject([
      told,
      { sourceIp: '192.0.2.10', protocol: 'socks' },
      { ...told, correlationId: 'leg-1' },
      { count: '1' },
    ]);
    expect(found[0]).not.toHaveProperty('correlationId');
    expect(found[1]).not.toHaveProperty('node');
    expect(found[1]).not.toHaveProperty('sourcePort');
    expect(found[1]).not.toHaveProperty('destination');
    expect(Object.keys(found[3] ?? {}).filter((name) => name in told)).toEqual([]);
  });

  it('says the same where limits are looked at closely, and where a handover is refused', async () => {
    const told = { sourceIp: '192.0.2.10', sourcePort: '5060', destination: '198.51.100.7:5060', protocol: 'sip' };
    await limits({ maxSessionsPerUser: 1, details: { user: { temporary: { max: 1, untilMs: 9e12 } } } });
    await admitAll(['a']);
    await admitAll(['b'], { user: 'bob' });
    await times(1);
    await books.store.transfers.transfer(tenant, { sessionId: 'a' }, { node: 'b2bua-2', epoch: 7, user: 'bob' });
    expect(await refusals()).toMatchObject([
      { sessionId: 'refused-0', user: 'alice', ...told },
      { sessionId: 'a', user: 'bob', ...told },
    ]);
  });

  it('says what each full limit does, which no answer shows', async () => {
    await limits({
      maxSessionsPerUser: 1,
      action: 'terminate_oldest',
      groups: { trunk: { default: 1, action: 'reject' } },
      maxSessionsPerIpPerHour: 1,
    });
    await admitAll(['a'], { groups: ['trunk:west'] });
    const decision = await decide('b', { groups: ['trunk:west'] });
    const actions = (JSON.parse((await refusals())[0]?.['limits'] ?? '') as Record<string, unknown>[]).map(
      ({ scope, action }) => `${String(scope)} ${String(action)}`,
    );
    expect(actions.toSorted()).toEqual(['group reject', 'ip reject', 'user terminate_oldest']);
    const shown = await new Books(books.redis, 60_000).lastRefusal(tenant, 'alice');
    for (const said of [decision, shown, await check('c')]) expect(JSON.stringify(said)).not.toContain('action');
    expect(shown?.limits).toHaveLength(3);
  });

  it('keeps what a server said of its own refusal, and nothing that it did not', async () => {
    const refusal = { id: 'r-1', sessionId: '', user: 'alice', rule: 'block-25', decision: 'deny' };
    const facts = { sourceIp: '2001:db8::1', sourcePort: 0, destination: 'mail.example.com:25', protocol: 'socks' };
    await books.store.recordRefusal(tenant, { ...refusal, ...facts });
    await books.store.recordRefusal(tenant, { ...refusal, sourceIp: null });
    const common = { v: '1', type: 'session.rejected', tenant: 'default', limits: '[]', ...refusal };
    expect(await refusals()).toEqual([
      { ...common, at: expect.any(String), ...facts, sourcePort: '0' },
      { ...common, at: expect.any(String) },
    ]);
  });

  it('gets a sum by upkeep once the second is over, in which nobody was refused again', async () => {
    await limits({ maxTotalSessions: 1 });
    await admitAll(['a']);
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
    await admitAll(['a'], { groups: ['trunk:west', 'trunk:east'] });
    await times(3, { groups: ['trunk:west'] });
    await times(2, { groups: ['trunk:east'] });
    books.clock.advance(1_000);
    await upkeep();
    expect((await counts()).toSorted()).toEqual(['alice:1', 'alice:2', 'alice:full', 'alice:full']);
  });

  it('loses nobody when the clock steps back: what was counted is written down, once', async () => {
    await limits({ maxTotalSessions: 1 });
    await admitAll(['a']);
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
    await admitAll(['a']);
    await check('b');
    await admitAll(['c'], EMERGENCY);
    expect(await refusals()).toEqual([]);
    expect(await books.redis.exists(keys.refusals)).toBe(0);
  });

  it('tells handovers that were refused like admissions', async () => {
    await limits({ maxSessionsPerUser: 1 });
    await admitAll(['a']);
    await admitAll(['b'], { user: '' });
    for (let i = 0; i < 3; i++) await books.store.transfers.authenticate(tenant, { sessionId: 'b' }, 'alice');
    books.clock.advance(1_000);
    await upkeep();
    expect(await counts()).toEqual(['alice:full', 'alice:2']);
  });

  it('is bounded, and so is what is counted: beyond it each refusal is told in full', async () => {
    await limits({ maxTotalSessions: 1 });
    await admitAll(['a']);
    const filled = Array.from({ length: 10_000 }, (_, i) => [`["u${i}","total:*"]`, '1800000000 0 []']).flat();
    await books.redis.hset(keys.refusals, ...filled);
    const store = boundedStore(books, { rejections: 1_000 });
    for (let batch = 0; batch < 13; batch++) {
      const asked = Array.from({ length: 100 }, (_, i) => request(`refused-${batch}-${i}`, { user: `user-${i % 3}` }));
      await Promise.all(asked.map((one) => store.admit(tenant, one)));
    }
    expect(await books.redis.hlen(keys.refusals)).toBe(10_000);
    const length = await books.redis.xlen(keys.rejections);
    expect(length).toBeGreaterThanOrEqual(1_000);
    expect(length).toBeLessThan(1_300);
  });

  it('gets every sum of a storm of thousands of users, although the hash has shrunk meanwhile', async () => {
    const users = Array.from({ length: 5_000 }, (_, i) => `user-${i}`);
    await limits({ maxTotalSessions: 1 });
    await admitAll(['a']);
    for (let at = 0; at < users.length; at += 500) {
      const some = users.slice(at, at + 500);
      await Promise.all([1, 2].flatMap((time) => some.map((user) => decide(`${user}/${time}`, { user }))));
    }
    books.clock.advance(1_000);
    for (let passes = 0; passes < 60; passes++) await upkeep(200);
    expect(await books.redis.hlen(keys.refusals)).toBe(0);
  });

  it('gets sums of as many as a batch has each time, until none is left', async () => {
    await limits({ maxTotalSessions: 1 });
    await admitAll(['a']);
    for (let i = 0; i < 300; i++) await times(2, { user: `user-${i}` });
    books.clock.advance(1_000);
    for (let pass = 0; pass < 30 && (await books.redis.exists(keys.refusals)) === 1; pass++) await upkeep(50);
    expect(await books.redis.exists(keys.refusals)).toBe(0);
    expect((await refusals()).filter(({ count }) => count === '1')).toHaveLength(300);
  });
});

describe('the alert on sessions created within an hour', () => {
  const { books, limits, decide, admitAll, events, end } = useLimits();
  const upkeep = () => books.store.upkeep(tenant, 0, 100);
  const MINUTE_MS = 60_000;

  it('is raised once above the threshold, is over when it is not any more, and is raised again', async () => {
    await limits({ alertThreshold: 2 });
    await admitAll(['a', 'b']);
    const due = { nextDueMs: expect.any(Number), nowMs: expect.any(Number) };
    expect(await upkeep()).toEqual({ ...due, creationAlert: null, created: 2, threshold: 2 });
    await admitAll(['c']);
    await end('c');
    expect(await upkeep()).toEqual({ ...due, creationAlert: 'raised', created: 3, threshold: 2 });
    await admitAll(['d']);
    expect(await upkeep()).toEqual({ ...due, creationAlert: null, created: 4, threshold: 2 });
    books.clock.advance(59 * MINUTE_MS);
    expect(await upkeep()).toMatchObject({ creationAlert: null, created: 4 });
    books.clock.advance(MINUTE_MS);
    expect(await upkeep()).toMatchObject({ creationAlert: 'over', created: 0 });
    expect(await upkeep()).toMatchObject({ creationAlert: null });
    await admitAll(['e', 'f', 'g']);
    expect(await upkeep()).toMatchObject({ creationAlert: 'raised', created: 3 });
    expect((await events('creation.alert')).map(({ created, threshold }) => [created, threshold])).toEqual([
      ['3', '2'],
      ['3', '2'],
    ]);
  });

  it('counts every admission, once: emergency calls and what had started too, no retry and no refusal', async () => {
    await limits({ alertThreshold: 9, maxSessionsPerUser: 3 });
    await admitAll(['a']);
    await admitAll(['x'], EMERGENCY);
    await books.store.started(tenant, request('b'));
    expect(await decide('a')).toMatchObject({ repeated: true });
    expect(await decide('c', from(null))).toMatchObject({ kind: 'rejected' });
    expect(await upkeep()).toMatchObject({ created: 3 });
  });

  it('is over at once when the threshold is raised or taken away', async () => {
    await limits({ alertThreshold: 1 });
    await admitAll(['a', 'b']);
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
    await admitAll(['a', 'b']);
    books.clock.advance(-45_000);
    expect(await upkeep()).toMatchObject({ created: 2 });
    await admitAll(['c', 'd']);
    expect(await upkeep()).toMatchObject({ creationAlert: 'raised', created: 4 });
  });

  it('keeps no more than the minutes of an hour, and nothing two hours after the last', async () => {
    await limits({ alertThreshold: 1_000 });
    for (let i = 0; i < 70; i++) {
      await admitAll([`call-${i}`]);
      books.clock.advance(MINUTE_MS);
    }
    expect(await upkeep()).toMatchObject({ created: 59 });
    expect(await books.redis.hlen(keys.creations)).toBe(59);
    expect(await books.redis.pttl(keys.creations)).toBeGreaterThan(7_100_000);
  });
});
