import { beforeEach, describe, expect, it } from '@jest/globals';
import { StoreUnavailableError } from '../errors.js';
import { shardKeys, shardNumbers, shardOf, tenantKeys } from '../keys.js';
import { Lease } from '../lease.js';
import { effectiveLimits } from '../model/limits-document.js';
import { claim } from '../scripts/claim.script.js';
import { offer } from '../scripts/offer.script.js';
import { allShardScripts } from '../scripts/script.js';
import { consistentBooks, countOf } from '../../test/consistent.js';
import { request, streamOf, useBooks } from '../../test/fixture.js';
import { entry, Reconciling } from '../../test/snapshot.fixture.js';
import {
  called,
  FOLD_DROP,
  FOLD_KEEP,
  KEEP_DROP,
  KEEP_KEEP,
  named,
  PATIENT_MS,
  processOf,
  rekey,
  rekeyed,
  spellings,
  tenantWith,
} from '../../test/rekey.fixture.js';

describe.each([1, 4])('a change of the identity rules of a tenant with %i shard(s)', (shards) => {
  const books = useBooks();
  const at = () => ({ client: books.redis, clock: books.clock });
  const kept = tenantWith(KEEP_KEEP, shards);
  const folded = tenantWith(FOLD_DROP, shards);
  const before = () => processOf(at(), kept);
  const after = () => processOf(at(), folded);
  const users = async () =>
    (await consistentBooks(books.redis, kept))
      .map(({ session }) => [session.id, session.user] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1));

  beforeEach(async () => {
    await before().open();
    await before().store.limits.change(kept, () => ({ maxSessionsPerUser: 2 }));
  });

  it('merges users who become one, each session once, and their limit holds for the next decision', async () => {
    const [one, other] = spellings(shards, true);
    for (const [i, from] of [`sip:${one}@a.example`, `sip:${other}@a.example`, `sip:${other}@b.example`].entries()) {
      expect(await before().admit(called(`s${i}`, from, KEEP_KEEP))).toMatchObject({ kind: 'admitted' });
    }
    const report = await rekeyed(at(), folded);
    expect(report).toMatchObject({ sessions: 3, excess: 1, overshoot: { count: 1, first: [other] } });
    expect(report.renamed + report.moved).toBe(3);
    expect(await users()).toEqual([0, 1, 2].map((i) => [`s${i}`, other]));
    expect(await after().open()).toEqual({ kind: 'known' });
    const next = await after().admit(called('next', `sip:${one}@c.example`, FOLD_DROP));
    expect(next).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user', key: other, max: 2, active: 3 }] });
    await after().store.end(folded, { sessionId: 's0' }, { reason: 'completed', by: 'node' });
    await after().store.end(folded, { sessionId: 's1', user: other }, { reason: 'completed', by: 'node' });
    expect(await after().admit(called('next', `sip:${one}@c.example`, FOLD_DROP))).toMatchObject({ kind: 'admitted' });
  });

  it('keeps start, state, deadline, totals, groups and node, and says in the outbox who was who', async () => {
    const [one, other] = spellings(shards, true);
    const policy = { idleMs: 60_000, maxDurationMs: 0, reservationMs: 30_000 };
    await before().admit(called('s', `sip:${one}@a.example`, KEEP_KEEP, { groups: ['trunk:west'], policy }));
    books.clock.advance(5_000);
    await before().store.renew(kept, { sessionId: 's' }, { bytesSent: 7 });
    const was = await before().store.get(kept, { sessionId: 's' });
    books.clock.advance(1_000);
    await rekeyed(at(), folded);
    const is = await after().store.get(folded, { sessionId: 's', user: other });
    expect(was).toMatchObject({ kind: 'live', session: { user: `${one}@a.example`, bytesSent: 7 } });
    expect(is).toEqual({ ...was, session: { ...(was.kind === 'live' && was.session), user: other } });
    const events = await streamOf(books.redis, shardKeys(folded, shardOf(folded, other)).events);
    const renamed = events.filter(({ type }) => type === 'session.authenticated');
    expect(renamed).toMatchObject([{ fromUser: `${one}@a.example`, userActive: '1', startedAt: '1800000000000' }]);
    expect(renamed.map(({ session }) => JSON.parse(session ?? '') as object)).toMatchObject([{ id: 's', user: other }]);
  });

  it('takes the domain of a user from the From where domains begin to count; who has none is counted and keeps the name', async () => {
    await rekeyed(at(), folded);
    await after().store.limits.change(folded, () => ({ maxSessionsPerUser: 9, users: { ann: 3, bob: 4 } }));
    await after().admit(called('a', '"Ann" <sip:Ann@A.example>;tag=1', FOLD_DROP));
    await after().admit(called('b', 'sip:ann@b.example', FOLD_DROP));
    await after().admit(called('t', 'tel:+14155551234', FOLD_DROP));
    await after().admit(named('n', 'ann', FOLD_DROP));
    const domains = tenantWith(FOLD_KEEP, shards);
    const report = await rekeyed(at(), domains);
    expect(await users()).toEqual([
      ['a', 'ann@a.example'],
      ['b', 'ann@b.example'],
      ['n', 'ann'],
      ['t', '+14155551234'],
    ]);
    expect(report.withoutDomain).toMatchObject({ count: 2 });
    expect(report.withoutDomain.first.toSorted()).toEqual(['+14155551234', 'ann']);
    expect(report.limitsWithoutDomain).toMatchObject({ count: 1, first: ['bob'] });
    const { api } = await processOf(at(), domains).store.limits.read(domains);
    expect(api.users).toEqual({ ann: 3, 'ann@a.example': 3, 'ann@b.example': 3, bob: 4 });
  });

  it('gives limits set by the API to the new names; of those that collide the smaller holds and is listed', async () => {
    await before().store.limits.change(kept, () => ({
      maxSessionsPerUser: 2,
      users: { 'Ann@a.example': 5, 'ann@b.example': 3, 'Ann@c.example': 0, 'Bob@a.example': 7, eve: 0 },
      classes: { gold: 1 },
      userClasses: { 'Cat@a.example': 'gold' },
      details: { 'user:cat@b.example': { observe: true }, total: { observe: true } },
    }));
    const report = await rekeyed(at(), folded);
    const { api } = await after().store.limits.read(folded);
    expect(api).toMatchObject({ users: { ann: 3, bob: 7, eve: 0 }, userClasses: { cat: 'gold' } });
    expect(api.details).toEqual({ total: { observe: true } });
    expect(report.limits).toEqual([
      {
        user: 'ann',
        limits: [
          { user: 'Ann@a.example', max: 5 },
          { user: 'ann@b.example', max: 3 },
          { user: 'Ann@c.example', max: 0 },
        ],
        holds: 3,
      },
      {
        user: 'cat',
        limits: [
          { user: 'Cat@a.example', max: 1 },
          { user: 'cat@b.example', max: 2 },
        ],
        holds: 1,
      },
    ]);
    for (const shard of shardNumbers(folded)) {
      expect(await books.redis.hget(shardKeys(folded, shard).limits, 'user:ann')).toBe('3');
    }
  });

  it('lists a user whom it splits, because some sessions were named outright and some by their From', async () => {
    await rekeyed(at(), folded);
    await after().store.limits.change(folded, () => ({ maxSessionsPerUser: 9, users: { ann: 3 } }));
    await after().admit(called('a', 'sip:ann@a.example', FOLD_DROP));
    await after().admit(called('b', 'sip:ann@b.example', FOLD_DROP));
    await after().admit(named('n', 'ann', FOLD_DROP));
    for (const id of ['c1', 'c2']) await after().admit(called(id, 'sip:cat@c.example', FOLD_DROP));
    await after().admit(called('d1', 'sip:dan@d.example', FOLD_DROP));
    await after().admit(named('d2', 'dan', FOLD_DROP));
    const report = await rekeyed(at(), tenantWith(FOLD_KEEP, shards));
    expect(report.splits.first.toSorted()).toEqual([
      'ann (ann, ann@a.example, ann@b.example)',
      'dan (dan, dan@d.example)',
    ]);
    expect(report.splits.count).toBe(2);
    expect((await rekeyed(at(), folded)).splits.count).toBe(0);
  });

  it('gives the limit of a user who was named outright to the name that its calls go on under', async () => {
    await before().store.limits.change(kept, () => ({ maxSessionsPerUser: 9, users: { 'Bob@x.example': 1 } }));
    await before().admit(named('o', 'Bob@x.example', KEEP_KEEP));
    await rekeyed(at(), folded);
    expect(await users()).toEqual([['o', 'bob@x.example']]);
    expect(await after().admit(named('next', 'Bob@x.example', FOLD_DROP))).toMatchObject({
      kind: 'rejected',
      limits: [{ key: 'bob@x.example', max: 1, active: 1 }],
    });
    const { api } = await after().store.limits.read(folded);
    expect(api.users).toEqual({ bob: 1, 'bob@x.example': 1 });
  });

  it('carries along what the calls of a user owe to its rate', async () => {
    await before().store.limits.change(kept, () => ({
      maxSessionsPerUser: 9,
      userRate: { perSecond: 0.01, burst: 2 },
    }));
    const [one, other] = spellings(shards, true);
    await before().admit(called('s', `sip:${one}@a.example`, KEEP_KEEP));
    await before().admit(called('t', `sip:${one}@a.example`, KEEP_KEEP));
    await rekeyed(at(), folded);
    const next = await after().admit(called('next', `sip:${other}@b.example`, FOLD_DROP));
    expect(next).toMatchObject({ kind: 'rejected', limits: [{ scope: 'user', key: other, max: 2, active: 2 }] });
  });

  it('keeps a process with the former rules from the books, one that slept meanwhile too', async () => {
    await before().admit(called('s', 'sip:Ann@a.example', KEEP_KEEP));
    const slept = before(); // its tenant is open, and it knows nothing
    await rekeyed(at(), folded);
    const late = called('late', 'sip:Ann@a.example', KEEP_KEEP);
    await expect(slept.admit(late)).rejects.toThrow(/other identity rules/);
    await expect(slept.admit(late)).rejects.toThrow(StoreUnavailableError);
    await expect(slept.store.limits.change(kept, () => ({}))).rejects.toThrow(/identity rules/);
    await expect(slept.store.limits.publishFile(kept, { enabled: false }, 'late')).rejects.toThrow(/identity rules/);
    const open = request('open', { user: '', facts: { ...request('x').facts, protocol: 'ssh' } });
    expect(await after().admit(open)).toMatchObject({ kind: 'admitted' });
    await expect(slept.store.transfers.authenticate(kept, { sessionId: 'open' }, 'Ann@a.example')).rejects.toThrow(
      /identity rules/,
    );
    expect(await users()).toEqual([
      ['open', ''],
      ['s', 'ann'],
    ]);
    expect(await after().admit(late)).toMatchObject({ kind: 'admitted' });
    expect(await before().open()).toEqual({ kind: 'identity', registered: { case: 'fold', domain: 'drop' } });
  });

  it('restores a session that was lost with its node under the name that its node lists', async () => {
    const [one, other] = spellings(shards, false);
    await before().admit(called('s', `sip:${one}@a.example`, KEEP_DROP, { user: one }));
    await before().store.end(kept, { sessionId: 's', user: one }, { reason: 'node_lost', by: 'node' });
    await rekeyed(at(), folded);
    books.clock.advance(1_000);
    await new Reconciling({ ...books, store: after().store }, folded).list([entry('s', { user: other })]);
    expect(await users()).toEqual([['s', other]]);
  });

  it('ends a session whose id is that of another one in the shard of its new user, and says so', async () => {
    const [one, other] = spellings(shards, true);
    if (shards === 1) return;
    await before().admit(called('dup', `sip:${one}@a.example`, KEEP_DROP, { user: one }));
    await before().admit(called('dup', `sip:${other}@a.example`, KEEP_DROP, { user: other, node: 'b2bua-2' }));
    const report = await rekeyed(at(), folded);
    expect(report.ended).toMatchObject({ count: 1, first: ['dup'] });
    expect(await users()).toEqual([['dup', other]]);
    expect(await books.redis.hkeys(shardKeys(kept, shardOf(kept, one)).commands('b2bua-1'))).toEqual(['dup']);
  });

  it.each([
    ['was lost', '1763700000000 1 lost', 'node_lost'],
    ['has restarted', '1763700000001', 'node_restarted'],
    ['has left', '1763700000000 0 left', 'completed'],
  ])(
    'ends a session whose node %s, where that is known in the shard of its new user alone, for that reason',
    async (_, run, reason) => {
      const [one, other] = spellings(shards, true);
      if (shards === 1) return;
      await before().admit(called('s', `sip:${one}@a.example`, KEEP_DROP, { user: one }));
      await books.redis.hset(shardKeys(kept, shardOf(kept, other)).nodes, 'b2bua-1', run);
      expect(await rekeyed(at(), folded)).toMatchObject({ ended: { count: 1, first: ['s'] } });
      expect(await users()).toEqual([]);
      const events = await streamOf(books.redis, shardKeys(kept, shardOf(kept, one)).events);
      expect(events.at(-1)).toMatchObject({ type: 'session.ended', sessionId: 's', reason });
    },
  );

  it('takes along what a straggler reports between the two steps of a move, and ends what it ends', async () => {
    const [one] = spellings(shards, true);
    for (const id of ['renewed', 'ended']) {
      expect(await before().admit(called(id, `sip:${one}@a.example`, KEEP_KEEP))).toMatchObject({ kind: 'admitted' });
    }
    let told = false;
    const late = async () => {
      told = true;
      const user = `${one}@a.example`;
      await before().store.renew(kept, { sessionId: 'renewed', user }, { bytesSent: 9 });
      await before().store.end(kept, { sessionId: 'ended', user }, { reason: 'completed', by: 'node' });
    };
    const steps = ['depart', 'rename'].map((name) => allShardScripts().get(name)?.sha);
    const client = new Proxy(books.redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const call = (value as (...all: unknown[]) => unknown).bind(target);
        if (name !== 'callBuffer') return call;
        return async (command: string, list: unknown[]) => {
          if (!told && steps.includes(String(list[0]))) await late();
          return await call(command, list);
        };
      },
    });
    await rekeyed({ ...at(), client }, folded);
    expect(told).toBe(true);
    expect(await users()).toEqual([['renewed', one.toLowerCase()]]);
    expect(await after().store.get(folded, { sessionId: 'renewed' })).toMatchObject({ session: { bytesSent: 9 } });
    expect(await after().store.get(folded, { sessionId: 'ended' })).toMatchObject({ kind: 'ended' });
  });

  it('takes back a handover that was under way, and leaves a session of no user alone', async () => {
    await before().admit(request('s', { user: '' }));
    const user = spellings(4, true)[0];
    const context = { client: books.redis, tenant: 'acme', shards, shard: 0, identity: KEEP_KEEP };
    await offer(context, { sessionId: 's' }, { to: { kind: 'authenticated', user }, token: 7 });
    await rekeyed(at(), folded);
    expect(await books.redis.exists(shardKeys(kept, 0).offers, shardKeys(kept, 0).offersDue)).toBe(0);
    expect(await users()).toEqual([['s', '']]);
    expect(await after().store.transfers.authenticate(folded, { sessionId: 's' }, 'ann')).toMatchObject({
      kind: 'live',
      session: { user: 'ann' },
    });
  });

  it('goes through with a handover that had been claimed: the session is there once, under its new name', async () => {
    if (shards === 1) return;
    const name = Array.from({ length: 20 }, (_, i) => `User${i}`).find((user) => shardOf(kept, user) > 0) ?? '';
    await before().admit(request('s', { user: '' }));
    const context = (shard: number) => ({
      client: books.redis,
      tenant: 'acme',
      shards,
      shard,
      identity: KEEP_KEEP,
      clockMs: () => books.clock.nowMs,
    });
    const offered = await offer(
      context(0),
      { sessionId: 's' },
      { to: { kind: 'authenticated', user: name }, token: 7 },
    );
    if (offered.kind !== 'offered') throw new Error(offered.kind);
    const claimed = await claim(context(shardOf(kept, name)), { offer: offered.offer, from: 0 }, 60_000, offered.seen);
    expect(claimed).toMatchObject({ kind: 'live' });
    await rekeyed(at(), folded);
    expect(await users()).toEqual([['s', name.toLowerCase()]]);
  });

  it('closes the tenant for everybody while it is under way', async () => {
    await books.redis.hset(tenantKeys('acme').registration, 'rekey', JSON.stringify({ case: 'fold', domain: 'drop' }));
    const registered = { case: 'keep', domain: 'keep' };
    const rekeying = { kind: 'rekeying', registered, target: { case: 'fold', domain: 'drop' } };
    for (const tenant of [kept, folded]) expect(await processOf(at(), tenant).open()).toEqual(rekeying);
  });

  it('is refused while another run is at work, and where there is nothing that it could be sure of', async () => {
    const lease = new Lease({
      client: books.redis,
      key: tenantKeys('acme').rekeyLease,
      holder: 'other',
      deadlineMs: PATIENT_MS,
    });
    await lease.take(60_000);
    expect(await rekey(at(), folded)).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('Another run'),
    });
    await lease.take(0);
    expect(await rekey(at(), { ...folded, shards: shards + 1 })).toMatchObject({ kind: 'refused' });
    expect(await rekey(at(), tenantWith(FOLD_KEEP, shards))).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('case: fold, domain: drop was interrupted'),
    });
    expect(await rekey(at(), tenantWith(FOLD_DROP, shards, 'nobody'))).toMatchObject({ kind: 'refused' });
    await books.redis.hset(tenantKeys('old').registration, { shards, created_at: 1 });
    expect(await rekey(at(), tenantWith(FOLD_DROP, shards, 'old'))).toMatchObject({
      kind: 'refused',
      reason: expect.stringContaining('not registered yet'),
    });
    await rekeyed(at(), folded);
    expect(await rekey(at(), folded)).toEqual({ kind: 'unchanged' });
  });

  it('leaves a record that cannot be read as it is, and names it', async () => {
    await before().admit(called('good', 'sip:Ann@a.example', KEEP_KEEP));
    await before().admit(called('bad', 'sip:Bob@a.example', KEEP_KEEP));
    const shard = shardOf(kept, 'Bob@a.example');
    await books.redis.set(shardKeys(kept, shard).session('bad'), Buffer.from('000000\xc1rubbish', 'latin1'));
    const report = await rekeyed(at(), folded);
    expect(report.unreadable.first).toEqual(['bad']);
    expect(await countOf(books.redis, folded, 'ann')).toBe(1);
  });

  it('adopts a registration from before rules were registered, and refuses a format that it does not know', async () => {
    const { registration } = tenantKeys('acme');
    await books.redis.hdel(registration, 'format', 'case', 'domain');
    expect(await before().open()).toEqual({ kind: 'adopted' });
    expect(await before().open()).toEqual({ kind: 'known' });
    expect(await after().open()).toEqual({ kind: 'identity', registered: { case: 'keep', domain: 'keep' } });
    await books.redis.hset(registration, 'format', '2');
    expect(await before().open()).toEqual({ kind: 'format', format: '2' });
    expect(await rekey(at(), folded)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('format 2') });
    await books.redis.hset(registration, 'format', '1');
    for (const shard of shardNumbers(kept)) {
      const { rules, limits } = shardKeys(kept, shard);
      await books.redis.set(rules, '2:keep:keep'); // as a release with another format begins
      await books.redis.del(limits);
    }
    await expect(before().admit(called('s', 'sip:a@b', KEEP_KEEP))).rejects.toThrow(/in another format.*2:keep:keep/);
    expect(effectiveLimits(await before().store.limits.read(kept)).maxSessionsPerUser).toBe(2);
  });
});
