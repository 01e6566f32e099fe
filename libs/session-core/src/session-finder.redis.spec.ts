import { describe, expect, it } from '@jest/globals';
import { shardKeys, shardOf, type TenantRef } from './keys.js';
import { request, useBooks } from '../test/fixture.js';

const byNode = { reason: 'completed', by: 'node' } as const;
const killed = { reason: 'killed', by: 'berth' } as const;

describe.each([1, 4])('a wrong user named with a session, in a tenant with %i shards', (shards) => {
  const books = useBooks();
  const acme: TenantRef = { name: 'acme', shards };
  const others = Array.from({ length: 40 }, (_, i) => `user-${i}`);
  /** Users other than ann: of her shard, and of another one where there is one. */
  const strangers = [true, false].flatMap((same) => {
    const found = others.find((user) => (shardOf(acme, user) === shardOf(acme, 'ann')) === same);
    return found === undefined ? [] : [found];
  });
  const own = { sessionId: 'dup', user: 'ann' };
  const admitAnn = async (overrides = {}) => {
    await books.store.limits.change(acme, () => ({ maxSessionsPerUser: 5 }));
    const { decision } = await books.store.admit(acme, request('dup', { user: 'ann', ...overrides }));
    expect(decision.kind).toBe('admitted');
  };
  const record = () => books.redis.getBuffer(shardKeys(acme, shardOf(acme, 'ann')).session('dup'));

  it.each([['the node', byNode] as const, ['an operator', killed] as const])(
    'never ends the session of somebody else, for %s',
    async (_, how) => {
      for (const user of strangers) {
        await admitAnn();
        const before = await record();
        expect((await books.store.end(acme, { sessionId: 'dup', user }, how)).kind).toBe('unknown');
        expect(await record()).toEqual(before);
        expect((await books.store.get(acme, own)).kind).toBe('live');
        expect((await books.store.end(acme, own, byNode)).kind).toBe('now');
        await books.redis.flushall();
      }
    },
  );

  it('nor what was ended, nor its command', async () => {
    await admitAnn();
    await books.store.end(acme, own, killed);
    const { commands, session } = shardKeys(acme, shardOf(acme, 'ann'));
    const before = await record();
    for (const user of strangers) {
      await books.store.end(acme, { sessionId: 'dup', user }, byNode);
      expect(await record()).toEqual(before);
      expect(await books.redis.pttl(session('dup'))).toBeGreaterThan(3_600_000);
      expect(await books.redis.hkeys(commands('b2bua-1'))).toEqual(['dup']);
    }
  });

  it('leaves nothing that would keep the session from being handed over', async () => {
    const home = shardOf(acme, 'ann');
    for (const stranger of strangers) {
      await admitAnn();
      for (let again = 0; again < 2; again += 1) {
        const { kind } = await books.store.end(acme, { sessionId: 'dup', user: stranger }, byNode);
        if (shardOf(acme, stranger) === home) expect(kind).toBe('unknown');
      }
      // Of an end that names somebody else only where that user, or nobody, has sessions is anything remembered.
      const remembers = new Set([shardOf(acme, stranger), shardOf(acme, '')]);
      const next = others.find((user) => shardOf(acme, user) !== home && !remembers.has(shardOf(acme, user)));
      if (next !== undefined) {
        const target = { node: 'b2bua-2', epoch: 1, user: next };
        expect(await books.store.transfers.transfer(acme, own, target)).toMatchObject({
          kind: 'live',
          session: { user: next },
        });
      }
      await books.redis.flushall();
    }
  });

  it('neither confirms, renews, shows nor hands over', async () => {
    await admitAnn({ state: 'reserved' });
    const before = await record();
    const to = { node: 'b2bua-2', epoch: 1 };
    for (const user of strangers) {
      const ref = { sessionId: 'dup', user };
      const outcomes = [
        await books.store.get(acme, ref),
        await books.store.confirm(acme, ref),
        await books.store.renew(acme, ref, { bytesSent: 1 }),
        await books.store.transfers.authenticate(acme, ref, 'bob'),
        await books.store.transfers.transfer(acme, ref, to),
        ...(await Promise.all(
          strangers.map((next) => books.store.transfers.transfer(acme, ref, { ...to, user: `${next}-2` })),
        )),
      ];
      expect(outcomes.map(({ kind }) => kind)).toEqual(outcomes.map(() => 'unknown'));
    }
    expect(await record()).toEqual(before);
  });

  it('still finds the session that has no user yet', async () => {
    await admitAnn({ user: '' });
    const ref = { sessionId: 'dup', user: strangers[0] ?? '' };
    expect((await books.store.end(acme, ref, byNode)).kind).toBe('now');
  });

  it('still answers a handover that is asked for again with the user that it had', async () => {
    for (const next of strangers) {
      await admitAnn();
      const transfer = () => books.store.transfers.transfer(acme, own, { node: 'b2bua-2', epoch: 1, user: next });
      expect(await transfer()).toMatchObject({ kind: 'live', session: { user: next } });
      expect(await transfer()).toMatchObject({ kind: 'live', session: { user: next } });
      expect((await books.store.end(acme, { sessionId: 'dup', user: next }, byNode)).kind).toBe('now');
      await books.redis.flushall();
    }
  });
});
