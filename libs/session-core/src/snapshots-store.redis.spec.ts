import { beforeEach, describe, expect, it } from '@jest/globals';
import { DAY_MS } from '#basics';
import { shardKeys, tenantKeys } from './keys.js';
import { admit } from './scripts/admit.script.js';
import { admitted, keys, request, sessionKeys, streamOf, tenant, useBooks, shardContext } from '../test/fixture.js';
import { entry, EPOCH, NODE, POLICY, Reconciling, SIP } from '../test/snapshot.fixture.js';

const books = useBooks();
let r: Reconciling;

beforeEach(async () => {
  await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 5 }));
  r = new Reconciling(books);
  await r.beat();
});

const live = async () => (await books.redis.zrange(keys.deadlines, '0', '-1')).toSorted();
const get = async (sessionId: string) => await books.store.get(tenant, { sessionId });
const end = async (sessionId: string) => {
  await books.store.end(tenant, { sessionId }, { reason: 'completed', by: 'node' });
};
const typesOf = async () => (await streamOf(books.redis, keys.events)).map(({ type }) => type);
const context = () => shardContext(books);
const nothing = { kind: 'complete', adopted: 0, restored: 0, dropped: 0, elsewhere: 0, hangUp: [], suspended: null };

describe('a part of a list', () => {
  it('counts as complete when all have come, in any order and any number of times, through any gateway', async () => {
    const other = new Reconciling(books);
    for (const id of ['a', 'b', 'c']) await admitted(books.store, request(id));
    books.clock.advance(1_000);
    const mark = await r.beat();
    books.clock.advance(1_000);
    const part = (number: number, id: string) => ({ mark, part: number, parts: 3, sessions: [entry(id)] });
    expect(await r.part(part(3, 'c'))).toEqual({ kind: 'part' });
    expect(await other.part(part(3, 'c'))).toEqual({ kind: 'part' });
    expect(await r.snapshots.progress(tenant, NODE)).toMatchObject({ parts: 3, arrived: 1, state: 'collecting' });
    expect(await r.part(part(1, 'a'))).toEqual({ kind: 'part' });
    expect(await other.part(part(2, 'b'))).toEqual(nothing);
    expect(await r.part(part(2, 'b'))).toEqual(nothing);
    expect(await r.snapshots.progress(tenant, NODE)).toMatchObject({ arrived: 3, state: 'done', done: 3, of: 3 });
    expect(await books.redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
  });

  it('of a run that is older, unknown or lost is refused: the node has to beat first', async () => {
    expect(await r.part({ epoch: EPOCH - 1, mark: books.clock.nowMs })).toEqual({
      kind: 'stale-epoch',
      currentEpoch: EPOCH,
    });
    expect(await r.part({ epoch: EPOCH + 1, mark: books.clock.nowMs })).toMatchObject({ kind: 'stale-epoch' });
    expect(await r.part({ node: 'x', mark: books.clock.nowMs })).toEqual({ kind: 'stale-epoch', currentEpoch: null });
    await r.pass(30_000);
    expect(await r.part({ mark: books.clock.nowMs })).toEqual({ kind: 'stale-epoch', currentEpoch: EPOCH });
  });

  it('whose mark is to come, or older than the last complete list, is refused; after a clock that stepped back it is not', async () => {
    const old = await r.beat();
    expect(await r.part({ mark: books.clock.nowMs + 1 })).toEqual({ kind: 'stale-mark' });
    expect(await r.list([], { none: true })).toEqual(nothing);
    expect(await r.part({ mark: old, none: true })).toEqual({ kind: 'stale-mark' });
    books.clock.advance(-3_600_000);
    expect(await r.list([], { none: true })).toEqual(nothing);
  });

  it('tells the node that no further list is wanted for a while', async () => {
    const beat = async () => await r.nodes.beat(tenant, { node: NODE, epoch: EPOCH, via: 'http' });
    expect(await beat()).toMatchObject({ snapshotWanted: true });
    await r.list([], { none: true });
    expect(await beat()).toMatchObject({ snapshotWanted: false });
    const [view] = (await r.nodes.list(tenant)).nodes;
    expect(view?.lastSnapshotMs).toBe(books.clock.nowMs);
    books.clock.advance(60_000);
    expect(await beat()).toMatchObject({ snapshotWanted: true });
  });

  it('is counted anew where the node has cut the same list into another number of parts', async () => {
    books.clock.advance(1_000);
    const mark = await r.beat();
    await admitted(books.store, request('a'));
    for (const part of [1, 2]) expect(await r.part({ mark, part, parts: 3 })).toEqual({ kind: 'part' });
    expect(await r.part({ mark, part: 1, parts: 2 })).toEqual({ kind: 'part' });
    expect(await r.part({ mark, part: 2, parts: 2, sessions: [entry('a')] })).toEqual(nothing);
  });

  it('that was begun before the node returned leaves another list wanted', async () => {
    await r.pass(5_000, [NODE]);
    const mark = await r.beat();
    await r.pass(30_000);
    await r.beat();
    expect(await r.part({ mark, none: true })).toEqual(nothing);
    const beat = { node: NODE, epoch: EPOCH, via: 'http' } as const;
    expect(await r.nodes.beat(tenant, beat)).toMatchObject({ snapshotWanted: true });
  });

  it('of a list that a newer one has overtaken is still evidence of life, and of nothing else', async () => {
    books.clock.advance(1_000);
    const old = await r.beat();
    books.clock.advance(1_000);
    const mark = await r.beat();
    await r.part({ mark, part: 1, parts: 2, sessions: [entry('a')] });
    expect(await r.part({ mark: old, sessions: [entry('b')] })).toEqual({ kind: 'part' });
    expect(await r.part({ mark, part: 2, parts: 2, sessions: [] })).toMatchObject({ kind: 'complete', adopted: 1 });
    expect(await live()).toEqual(['a', 'b']);
  });
});

describe('a session that is listed', () => {
  it('and not on the books is adopted, with the start that it says but not later than now', async () => {
    const began = books.clock.nowMs - 600_000;
    const outcome = await r.list([
      entry('a', { startedAtMs: began, groups: ['trunk:west'], attempt: 3 }),
      entry('b', { startedAtMs: books.clock.nowMs + DAY_MS, user: 'bob', state: 'reserved' }),
    ]);
    expect(outcome).toEqual({ ...nothing, adopted: 2 });
    expect(await get('a')).toMatchObject({
      kind: 'live',
      session: { attempt: 3, user: 'alice', startedAtMs: began, endsByMs: began + DAY_MS, groups: ['trunk:west'] },
    });
    expect(await get('b')).toMatchObject({ session: { state: 'reserved', startedAtMs: books.clock.nowMs } });
    expect(await books.redis.zrange(keys.groupSessions('trunk:west'), '0', '-1')).toEqual(['a']);
    const [event] = await streamOf(books.redis, keys.events);
    expect(event).toMatchObject({
      type: 'session.adopted',
      startedAt: String(began),
      userActive: '1',
      totalActive: '1',
    });
    expect(JSON.parse(event?.['session'] ?? '')).toMatchObject({ id: 'a', node: NODE, epoch: EPOCH, protocol: 'sip' });
    await end('a');
    await end('b');
    expect(await live()).toEqual([]);
  });

  it('and adopted counts from then on; what is over the limit is shown as overshoot', async () => {
    await r.list(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => entry(id, { startedAtMs: 1e12 + 9e11 })));
    const events = await streamOf(books.redis, keys.events);
    expect(events.map(({ overshoot }) => overshoot)).toEqual([...Array<undefined>(5), 'adoption', 'adoption']);
    expect((await books.store.admit(tenant, request('next'))).decision.kind).toBe('rejected');
  });

  it('longer than its maximum duration allows is to be hung up', async () => {
    expect(await r.list([entry('old', { startedAtMs: books.clock.nowMs - DAY_MS })])).toEqual({
      ...nothing,
      hangUp: ['old'],
    });
    expect(await live()).toEqual([]);
  });

  it('and lives with another node is left alone', async () => {
    await admitted(books.store, request('a', { node: 'b2bua-2' }));
    expect(await r.list([entry('a')])).toEqual({ ...nothing, elsewhere: 1 });
    expect(await get('a')).toMatchObject({ kind: 'live', session: { node: 'b2bua-2' } });
  });

  it('as answered, and still reserved on the books, is active from now on', async () => {
    await admitted(books.store, request('a', { state: 'reserved' }));
    await admitted(books.store, request('b', { state: 'reserved' }));
    await r.list([entry('a', { state: 'active' }), entry('b')]);
    expect(await get('a')).toMatchObject({ session: { state: 'active' } });
    expect(await get('b')).toMatchObject({ session: { state: 'reserved' } });
    expect(await typesOf()).toContain('session.confirmed');
  });

  it('and ended before the list was begun is to be hung up, and does not come back', async () => {
    await admitted(books.store, request('a'));
    await end('a');
    expect(await r.list([entry('a')])).toEqual({ ...nothing, hangUp: ['a'] });
    expect(await r.list([entry('a', { attempt: 1 })])).toEqual({ ...nothing, hangUp: ['a'] });
    expect(await live()).toEqual([]);
    expect(await r.list([entry('a', { attempt: 2 })])).toEqual({ ...nothing, adopted: 1 });
    expect(await live()).toEqual(['a']);
  });

  it('and ended after the list was begun is neither brought back nor hung up, however late the list comes', async () => {
    await admitted(books.store, request('a'));
    books.clock.advance(1_000);
    const mark = await r.beat();
    await end('a');
    expect(await r.part({ mark, sessions: [entry('a')] })).toEqual(nothing);
    // The tombstone is gone: only the age of the list says that it may have ended.
    await books.redis.del(keys.session('a'));
    books.clock.advance(60_000);
    const again = new Reconciling(books, tenant);
    await books.redis.hdel(tenantKeys('default').node(NODE), 'snapshot_mark');
    await books.redis.del(tenantKeys('default').snapshot(NODE));
    expect(await again.part({ mark, sessions: [entry('a')] })).toEqual(nothing);
    expect(await live()).toEqual([]);
  });

  it('and was withdrawn is adopted as a new attempt, and its late admission stays refused', async () => {
    const wanted = request('a');
    const { token } = await books.store.admit(tenant, wanted);
    books.store.withdrawLater(tenant, wanted, token);
    await books.store.withdrawals.close();
    expect(await r.list([entry('a')])).toEqual({ ...nothing, adopted: 1 });
    expect(await get('a')).toMatchObject({ kind: 'live', session: { attempt: 1 } });
    const late = { token, tombstoneMs: 60_000, mode: 'admit' } as const;
    expect(await admit(context(), wanted, late)).toEqual({ kind: 'withdrawn' });
  });

  it('may have any name, and so may its node and user', async () => {
    const names = ['a:b', 'x:123', 'n/%?"', 'allowed:nodes', '__proto__', 'ü'.repeat(64), '-', '0', '{tag}', 'a b\\c'];
    for (const node of names) {
      await r.beat(node);
      const sessions = names.map((name) => entry(`${node}|${name}`, { user: name, groups: [`trunk:${name}`] }));
      expect(await r.list(sessions, { node })).toEqual({ ...nothing, adopted: names.length });
      expect(await r.list(sessions, { node })).toEqual(nothing);
    }
    expect(await live()).toHaveLength(names.length ** 2);
    for (const node of names) {
      await r.list([], { node, none: true });
      expect(await r.list([], { node, none: true })).toEqual({ ...nothing, dropped: names.length });
    }
    expect(await live()).toEqual([]);
  });
});

describe('a session that is not listed', () => {
  const ghost = async () => {
    await admitted(books.store, request('a'));
    await admitted(books.store, request('ghost'));
  };

  it('lives after one complete list and is gone after two, and its node is told', async () => {
    await ghost();
    expect(await r.list([entry('a')])).toEqual(nothing);
    expect(await live()).toEqual(['a', 'ghost']);
    expect(await r.list([entry('a')])).toEqual({ ...nothing, dropped: 1 });
    expect(await live()).toEqual(['a']);
    expect(await get('ghost')).toMatchObject({ kind: 'ended', session: { endReason: 'reconciled' } });
    expect(JSON.parse((await books.redis.hget(keys.commands(NODE), 'ghost')) ?? '')).toMatchObject({
      reason: 'reconciled',
    });
    expect(await books.redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
    expect((await books.store.renew(tenant, { sessionId: 'ghost' })).kind).toBe('unknown');
  });

  it('is not gone after two where the second was begun before the first was complete', async () => {
    await ghost();
    books.clock.advance(1_000);
    const first = await r.beat();
    books.clock.advance(1_000);
    const second = await r.beat();
    books.clock.advance(1_000);
    await r.part({ mark: first, sessions: [entry('a')] });
    expect(await r.part({ mark: second, sessions: [entry('a')] })).toEqual(nothing);
    expect(await r.list([entry('a')])).toEqual({ ...nothing, dropped: 1 });
  });

  it('and is listed again begins anew', async () => {
    await ghost();
    await r.list([entry('a')]);
    await r.list([entry('a'), entry('ghost')]);
    expect(await r.list([entry('a')])).toEqual(nothing);
    expect(await r.list([entry('a')])).toMatchObject({ dropped: 1 });
  });

  it('and is listed by one part of a list that is never complete begins anew as well', async () => {
    await ghost();
    await r.list([entry('a')]);
    expect(await r.list([entry('ghost')], { part: 1, parts: 2 })).toEqual({ kind: 'part' });
    expect(await r.list([entry('a')])).toEqual(nothing);
    expect(await live()).toEqual(['a', 'ghost']);
  });

  it('and began while the list was made is not missing', async () => {
    books.clock.advance(1_000);
    const mark = await r.beat();
    await admitted(books.store, request('same'));
    books.clock.advance(1_000);
    await admitted(books.store, request('later'));
    expect(await r.part({ mark, none: true })).toEqual(nothing);
    expect(await books.redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
    await r.list([entry('same'), entry('later')]);
    expect(await live()).toEqual(['later', 'same']);
  });

  it('and ended by itself, to be admitted anew, is another session: it needs two lists of its own', async () => {
    await ghost();
    await r.list([entry('a')]);
    await end('ghost');
    await admitted(books.store, request('ghost', { attempt: 2 }));
    expect(await r.list([entry('a')])).toEqual(nothing);
    expect(await r.list([entry('a')])).toMatchObject({ dropped: 1 });
  });

  it('and belongs to an older run, or to another node, is not missing from this one', async () => {
    await admitted(books.store, request('old'));
    await admitted(books.store, request('other', { node: 'b2bua-2' }));
    const epoch = EPOCH + 1;
    await r.beat(NODE, epoch);
    for (let i = 0; i < 3; i += 1) expect(await r.list([], { epoch, none: true })).toEqual(nothing);
    expect(await live()).toEqual(['old', 'other']);
  });

  it('is not judged by a list that is empty without saying so, nor by one that is not complete', async () => {
    await ghost();
    for (let i = 0; i < 3; i += 1) {
      expect(await r.list([])).toEqual({ kind: 'empty' });
      expect(await r.list([entry('a')], { part: 1, parts: 2 })).toEqual({ kind: 'part' });
    }
    expect(await live()).toEqual(['a', 'ghost']);
    expect(await books.redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
  });

  it('a refused empty list leaves nothing behind, whatever of it came before', async () => {
    await ghost();
    await r.list([entry('a')]);
    books.clock.advance(1_000);
    const mark = await r.beat();
    books.clock.advance(1_000);
    const everything = async () => {
      const names = (await books.redis.keys('*')).toSorted();
      return await Promise.all(
        names.map(async (name) => [name, (await books.redis.dumpBuffer(name))?.toString('hex')]),
      );
    };
    const before = await everything();
    expect(await r.part({ mark })).toEqual({ kind: 'empty' });
    expect(await everything()).toEqual(before);
    expect(await r.part({ mark, part: 1, parts: 2 })).toEqual({ kind: 'part' });
    const half = await everything();
    expect(await r.part({ mark, part: 2, parts: 2 })).toEqual({ kind: 'empty' });
    expect(await everything()).toEqual(half);
    expect(await r.part({ mark, part: 2, parts: 2, none: true })).toMatchObject({ kind: 'complete' });
  });

  it('is not judged by a list of which the shard has lost what it said', async () => {
    await ghost();
    await r.list([entry('a')]);
    books.clock.advance(1_000);
    const mark = await r.beat();
    await r.part({ mark, part: 1, parts: 2, sessions: [entry('a')] });
    const losing = new Reconciling(books, tenant, {
      onProgress: () => void books.redis.del(keys.snapshot('listed', NODE, EPOCH, mark)),
    });
    expect(await losing.part({ mark, part: 2, parts: 2, sessions: [] })).toEqual({ kind: 'part' });
    expect(await live()).toEqual(['a', 'ghost']);
  });

  it('and dropped by mistake comes back as it was, and its node need not end it', async () => {
    const { session } = await admitted(books.store, request('a', { groups: ['trunk:west'] }));
    await books.store.renew(tenant, { sessionId: 'a' }, { bytesSent: 7 });
    await r.list([], { none: true });
    expect(await r.list([], { none: true })).toMatchObject({ dropped: 1 });
    expect(await r.list([entry('a')])).toEqual({ ...nothing, restored: 1 });
    const { lastActivityAtMs: _, ...asItWas } = { ...session, bytesSent: 7 };
    expect(await get('a')).toMatchObject({ kind: 'live', session: asItWas });
    expect(await books.redis.exists(keys.commands(NODE), keys.commanded)).toBe(0);
  });

  it('leaves nothing behind but what expires', async () => {
    await ghost();
    await r.list([entry('a'), entry('b')]);
    await r.list([entry('a')]);
    await r.list([entry('a')]);
    for (const id of ['a', 'b']) await end(id);
    const tenantWide = tenantKeys('default');
    const lasting = [tenantWide.node(NODE), tenantWide.heartbeats, keys.commanded];
    for (const key of await sessionKeys(books.redis)) {
      if (!lasting.includes(key)) expect(await books.redis.pttl(key)).toBeGreaterThan(0);
    }
  });
});

describe('the fuse', () => {
  const ids = Array.from({ length: 300 }, (_, i) => `call-${i}`);
  const half = ids.slice(0, 150).map((id) => entry(id));
  const fuse = `snapshot/${NODE}`;

  const fill = async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    for (const id of ids) await admitted(books.store, request(id));
  };

  it('stops a list that lacks half, twice; says so once; and goes through when it is allowed', async () => {
    await fill();
    expect(await r.list(half)).toEqual(nothing);
    for (let i = 0; i < 3; i += 1) expect(await r.list(half)).toEqual({ ...nothing, suspended: fuse });
    expect(await live()).toHaveLength(300);
    expect(await r.nodes.fuses(tenant)).toMatchObject([
      { id: fuse, kind: 'snapshot', node: NODE, epoch: EPOCH, wouldEnd: 150, wouldHangUp: 0, held: 300 },
    ]);
    const tripped = (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'fuse.tripped');
    expect(tripped).toMatchObject([{ fuse, node: NODE, wouldEnd: '150', held: '300' }]);
    expect(await r.nodes.allow(tenant, fuse)).toBe(true);
    expect(await r.list(half)).toEqual({ ...nothing, dropped: 150 });
    expect(await live()).toHaveLength(150);
    expect(await r.list(half)).toEqual(nothing);
    expect(await r.nodes.fuses(tenant)).toEqual([]);
  });

  it('is mended by a list with nothing wrong, and nothing was ended', async () => {
    await fill();
    await r.list(half);
    expect(await r.list(half)).toMatchObject({ suspended: fuse });
    expect(await r.list(ids.map((id) => entry(id)))).toEqual(nothing);
    expect(await r.nodes.fuses(tenant)).toEqual([]);
    expect(await live()).toHaveLength(300);
  });

  it('stops an empty list that says it is one', async () => {
    await fill();
    await r.list([], { none: true });
    expect(await r.list([], { none: true })).toMatchObject({ dropped: 0, suspended: fuse });
    expect(await live()).toHaveLength(300);
  });

  it('stops hanging up as well, while what lives is entered all the same', async () => {
    await fill();
    for (const id of ids) await end(id);
    const listed = [...ids.map((id) => entry(id)), entry('alive', { user: 'bob' })];
    expect(await r.list(listed)).toEqual({ ...nothing, adopted: 1, suspended: fuse });
    expect(await r.nodes.fuses(tenant)).toMatchObject([{ wouldEnd: 0, wouldHangUp: 300 }]);
    await r.nodes.allow(tenant, fuse);
    const outcome = await r.list(listed);
    expect(outcome.kind === 'complete' && outcome.hangUp.toSorted()).toEqual(ids.toSorted());
  });

  it('does not count what was missing once and has ended by itself since', async () => {
    await fill();
    await r.list(half);
    for (const id of ids.slice(150)) await end(id);
    expect(await r.list(half)).toEqual(nothing);
    expect(await books.redis.exists(keys.missing(NODE, EPOCH))).toBe(0);
  });

  it('lets few go, whatever share they are, and a small share, however many', async () => {
    for (const id of ['a', 'b', 'c']) await admitted(books.store, request(id));
    await r.list([], { none: true });
    expect(await r.list([], { none: true })).toEqual({ ...nothing, dropped: 3 });
    await fill();
    await r.list(ids.slice(60).map((id) => entry(id)));
    expect(await r.list(ids.slice(60).map((id) => entry(id)))).toEqual({ ...nothing, dropped: 60 });
  });
});

describe('a node that was cut off and returns', () => {
  it.each([30_000, 90_000, 600_000])(
    'after %i ms hangs nothing up: each session has its own start and hard end',
    async (ms) => {
      const before = [];
      for (const id of ['a', 'b', 'c']) before.push((await admitted(books.store, request(id))).session);
      await r.pass(5_000, [NODE]);
      await r.pass(ms);
      expect(await live()).toEqual([]);
      expect(await r.list(['a', 'b', 'c'].map((id) => entry(id)))).toEqual({ ...nothing, restored: 3 });
      for (const { id, startedAtMs, endsByMs, ...session } of before) {
        const { user, from, metadata } = session;
        expect(await get(id)).toMatchObject({ kind: 'live', session: { startedAtMs, endsByMs, user, from, metadata } });
      }
      expect(await r.list(['a', 'b', 'c'].map((id) => entry(id)))).toEqual(nothing);
    },
  );

  it('twice has its sessions back twice, each time as an event of its own', async () => {
    const { session } = await admitted(books.store, request('a'));
    for (let i = 0; i < 2; i += 1) {
      await r.pass(5_000, [NODE]);
      await r.pass(30_000);
      expect(await live()).toEqual([]);
      expect(await r.list([entry('a')])).toEqual({ ...nothing, restored: 1 });
      expect(await get('a')).toMatchObject({ kind: 'live', session: { startedAtMs: session.startedAtMs } });
    }
    const events = await streamOf(books.redis, keys.events);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(events.filter(({ type }) => type === 'session.adopted')).toHaveLength(2);
  });

  describe('to a user whose places have been taken', () => {
    const cutOff = async () => {
      await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
      await admitted(books.store, request('a'));
      await r.pass(5_000, [NODE, 'b2bua-2']);
      await r.pass(30_000, ['b2bua-2']);
      await admitted(books.store, request('b', { node: 'b2bua-2' }));
    };

    it('has its session back over the limit, shown as overshoot', async () => {
      await cutOff();
      expect(await r.list([entry('a')])).toEqual({ ...nothing, restored: 1 });
      expect((await streamOf(books.redis, keys.events)).at(-1)).toMatchObject({
        overshoot: 'adoption',
        userActive: '2',
      });
    });

    it('has to hang up where the policy says so, and then it is really over', async () => {
      await cutOff();
      r = new Reconciling(books, tenant, { policy: { ...POLICY, onReturn: 'hang_up' } });
      expect(await r.list([entry('a')], { part: 1, parts: 2 })).toEqual({ kind: 'part' });
      expect((await books.store.renew(tenant, { sessionId: 'a' })).kind).toBe('unknown');
      expect(await r.list([entry('a')])).toEqual({ ...nothing, hangUp: ['a'] });
      expect((await books.store.renew(tenant, { sessionId: 'a' })).kind).toBe('ended');
      await end('b');
      expect(await r.list([entry('a')])).toEqual({ ...nothing, hangUp: ['a'] });
      expect(await live()).toEqual([]);
    });

    it('keeps an emergency call whatever the policy says', async () => {
      await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
      await admitted(books.store, request('a', { priority: 'emergency' }));
      await r.pass(30_000);
      await admitted(books.store, request('b', { node: 'b2bua-2' }));
      r = new Reconciling(books, tenant, { policy: { ...POLICY, onReturn: 'hang_up' } });
      expect(await r.list([entry('a')])).toEqual({ ...nothing, restored: 1 });
    });
  });

  it('does not bring back what is over by its maximum duration', async () => {
    await admitted(books.store, request('a', { policy: { ...SIP, maxDurationMs: 60_000 } }));
    await r.pass(30_000);
    books.clock.advance(60_000);
    expect(await r.list([entry('a')])).toEqual({ ...nothing, hangUp: ['a'] });
  });

  it('does not bring back with an old list what a newer list has dropped', async () => {
    await admitted(books.store, request('a'));
    books.clock.advance(1_000);
    const old = await r.beat();
    await r.list([], { none: true });
    await r.list([], { none: true });
    await books.redis.hdel(tenantKeys('default').node(NODE), 'snapshot_mark');
    await books.redis.del(tenantKeys('default').snapshot(NODE));
    expect(await r.part({ mark: old, sessions: [entry('a')] })).toEqual(nothing);
    expect(await live()).toEqual([]);
  });
});

describe('after a total loss of data', () => {
  it('one beat and one list make the books equal what the node holds', async () => {
    const began = books.clock.nowMs - 60_000;
    const users = ['alice', 'bob', 'carol'];
    const truth = Array.from({ length: 500 }, (_, i) =>
      entry(`call-${i}`, { user: users[i % 3] ?? '', startedAtMs: began + i, groups: [`trunk:${i % 2}`] }),
    );
    await r.list(truth);
    await books.redis.flushall();
    expect(await r.list(truth)).toEqual({ ...nothing, adopted: 500 });
    expect(await live()).toEqual(truth.map(({ id }) => id).toSorted());
    expect(await books.redis.scard(keys.nodeSessions(NODE, EPOCH))).toBe(500);
    for (const user of users) {
      const mine = truth
        .filter((said) => said.user === user)
        .flatMap(({ id, startedAtMs }) => [id, String(startedAtMs)]);
      expect(await books.redis.zrange(keys.userSessions(user), '0', '-1', 'WITHSCORES')).toEqual(mine);
      expect(await books.redis.zscore(keys.users, user)).toBe(String(mine.length / 2));
    }
    expect(await books.redis.zcard(keys.groupSessions('trunk:0'))).toBe(250);
    for (const { id } of truth) await end(id);
    expect(await live()).toEqual([]);
    expect(await books.redis.exists(keys.users, keys.nodeSessions(NODE, EPOCH))).toBe(0);
  });
});

describe('a crash', () => {
  const ids = Array.from({ length: 60 }, (_, i) => `call-${i}`);
  const held = ids.slice(30).map((id) => entry(id));

  /** 60 sessions, of which 30 are ghosts that one list has lacked; one that has ended, and one that nobody knows. */
  const setUp = async () => {
    await books.redis.flushall();
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    await r.beat();
    for (const id of ids) await admitted(books.store, request(id));
    await admitted(books.store, request('ended'));
    await end('ended');
    await r.list(held);
    books.clock.advance(1_000);
    const mark = await r.beat();
    books.clock.advance(1_000);
    const sessions = [...held, entry('ended'), entry('new')];
    return [1, 2].map((part) => ({ mark, part, parts: 2, sessions: part === 1 ? sessions : sessions.slice(0, 10) }));
  };

  const expectAllDoneOnce = async () => {
    expect(await live()).toEqual([...held.map(({ id }) => id), 'new'].toSorted());
    const events = await streamOf(books.redis, keys.events);
    expect(events.filter(({ reason }) => reason === 'reconciled')).toHaveLength(30);
    expect(events.filter(({ type }) => type === 'session.adopted')).toHaveLength(1);
  };

  /** A connection that breaks before its so-manieth call, or after it, and stays broken. */
  const breaking = (when: 'before' | 'after', nth: number) => {
    let calls = 0;
    let broken = false;
    const client = Object.create(books.redis) as typeof books.redis;
    client.callBuffer = (async (command: string, list: (string | number | Buffer)[]) => {
      calls += 1;
      broken ||= calls === nth;
      if (broken && when === 'before') throw new Error('Connection is closed.');
      const reply = await books.redis.callBuffer(command, list);
      if (broken) throw new Error('Connection is closed.');
      return reply;
    }) as typeof client.callBuffer;
    return { client, broken: () => broken };
  };

  it.each(['before', 'after'] as const)(
    '%s any call of all that a list takes costs nothing but sending the list again',
    async (when) => {
      for (let dies = 1, died = true; died; dies += 1) {
        const parts = await setUp();
        const connection = breaking(when, dies);
        const dying = new Reconciling({ ...books, redis: connection.client });
        try {
          for (const part of parts) await dying.part(part);
        } catch (error) {
          expect(error).toMatchObject({ code: 'store-unavailable' });
        }
        books.clock.advance(6_000);
        const outcomes = [];
        for (const part of parts) outcomes.push(await r.part(part));
        expect(outcomes.at(-1)).toEqual({ ...nothing, adopted: 1, dropped: 30, hangUp: ['ended'] });
        await expectAllDoneOnce();
        died = connection.broken();
      }
    },
  );

  it('in the middle of the work leaves it to nobody for 5 s, then to whoever sends a part again', async () => {
    const parts = await setUp();
    const dying = new Reconciling(books, tenant, {
      onProgress: () => {
        throw new Error('killed');
      },
    });
    await dying.part(parts[0] ?? {});
    await expect(dying.part(parts[1] ?? {})).rejects.toThrow('killed');
    expect(await r.part(parts[1] ?? {})).toEqual({ kind: 'part' });
    expect(await r.snapshots.progress(tenant, NODE)).toMatchObject({ state: 'comparing' });
    books.clock.advance(5_000);
    expect(await r.part(parts[0] ?? {})).toMatchObject({ kind: 'complete', dropped: 30 });
    await expectAllDoneOnce();
  });

  it('is not needed for two to complete a list at once: it is done once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const parts = await setUp();
      const gateways = [r, new Reconciling(books), new Reconciling(books)];
      const outcomes = await Promise.all(gateways.flatMap((gateway) => parts.map((part) => gateway.part(part))));
      const complete = outcomes.filter(({ kind }) => kind === 'complete');
      expect(complete.length).toBeGreaterThan(0);
      for (const outcome of complete) {
        expect(outcome).toEqual({ ...nothing, adopted: 1, dropped: 30, hangUp: ['ended'] });
      }
      expect(outcomes.filter(({ kind }) => kind !== 'complete' && kind !== 'part')).toEqual([]);
      await expectAllDoneOnce();
    }
  });

  it('when a fuse has just tripped does not keep the outbox from hearing of it, as one event', async () => {
    for (let dies = 1, died = true; died; dies += 1) {
      await setUp();
      r = new Reconciling(books, tenant, { policy: { ...POLICY, fuseSessions: 5 } });
      const connection = breaking('after', dies);
      const { client } = connection;
      const dying = new Reconciling({ ...books, redis: client }, tenant, { policy: { ...POLICY, fuseSessions: 5 } });
      const mark = await r.beat();
      books.clock.advance(1_000);
      await dying.part({ mark, sessions: held }).catch(() => null);
      await r.list(held);
      const told = (await streamOf(books.redis, keys.events)).filter(({ type }) => type === 'fuse.tripped');
      expect(new Set(told.map(({ id }) => id)).size).toBe(1);
      died = connection.broken();
    }
  });
});

describe('a tenant with three shards', () => {
  it('has each session in its own shard, and judges the list as a whole', async () => {
    const three = { name: 'acme', shards: 3 };
    r = new Reconciling(books, three);
    await books.store.limits.change(three, () => ({ maxSessionsPerUser: 0 }));
    const users = Array.from({ length: 30 }, (_, i) => `user-${i}`);
    const truth = Array.from({ length: 120 }, (_, i) => entry(`call-${i}`, { user: users[i % 30] ?? '' }));
    expect(await r.list(truth)).toEqual({ ...nothing, adopted: 120 });
    const counts = async () =>
      await Promise.all([0, 1, 2].map(async (shard) => await books.redis.zcard(shardKeys(three, shard).deadlines)));
    expect((await counts()).reduce((sum, count) => sum + count)).toBe(120);
    expect(Math.min(...(await counts()))).toBeGreaterThan(0);
    const some = truth.slice(0, 100);
    expect(await r.list(some)).toEqual(nothing);
    expect(await r.list(some)).toEqual({ ...nothing, dropped: 20 });
    expect(await r.list(truth)).toEqual({ ...nothing, restored: 20 });
    // One shard alone would not trip the fuse: each lacks about a third of 80.
    await r.list(truth.slice(0, 40));
    expect(await r.list(truth.slice(0, 40))).toEqual({ ...nothing, suspended: `snapshot/${NODE}` });
    const outboxes = await Promise.all([0, 1, 2].map((shard) => streamOf(books.redis, shardKeys(three, shard).events)));
    expect(outboxes.map((events) => events.filter(({ type }) => type === 'fuse.tripped').length)).toEqual([1, 0, 0]);
    expect((await counts()).reduce((sum, count) => sum + count)).toBe(120);
  });
});
