import { describe, expect, it } from '@jest/globals';
import { shardOf } from './keys.js';
import { request, useBooks } from '../test/fixture.js';

describe('a tenant with several shards', () => {
  const books = useBooks();
  const tenant = { name: 'acme', shards: 4 };
  const usersOfShards = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace'];

  const byNode = { reason: 'completed', by: 'node' } as const;
  const admit = async (id: string, user: string) =>
    (await books.store.admit(tenant, request(id, { user }))).decision.kind;

  it('spreads users over its shards and keeps each user limit exact', async () => {
    expect(new Set(usersOfShards.map((user) => shardOf(tenant, user))).size).toBeGreaterThan(1);
    for (const user of usersOfShards) {
      const kinds = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((i) => admit(`${user}-${i}`, user)));
      expect(kinds.filter((kind) => kind === 'admitted')).toHaveLength(5);
    }
  });

  it('finds a session by its id alone, and by the user as a hint', async () => {
    await admit('call-1', 'carol');
    expect((await books.store.get(tenant, { sessionId: 'call-1' })).kind).toBe('live');
    expect((await books.store.renew(tenant, { sessionId: 'call-1', user: 'carol' })).kind).toBe('live');
    expect((await books.store.confirm(tenant, { sessionId: 'call-1' })).kind).toBe('live');
    expect((await books.store.end(tenant, { sessionId: 'call-1' }, byNode)).kind).toBe('now');
    expect((await books.store.end(tenant, { sessionId: 'call-1' }, byNode)).kind).toBe('before');
  });

  it('remembers the end of an unknown id wherever its admission may arrive', async () => {
    expect((await books.store.end(tenant, { sessionId: 'call-1' }, byNode)).kind).toBe('unknown');
    for (const user of usersOfShards) expect(await admit('call-1', user)).toBe('ended');
  });

  it('asks for the user when an id lives twice', async () => {
    const [one, other] = [
      usersOfShards[0] ?? '',
      usersOfShards.find((user) => shardOf(tenant, user) !== shardOf(tenant, 'alice')) ?? '',
    ];
    await admit('call-1', one);
    await admit('call-1', other);
    await expect(books.store.get(tenant, { sessionId: 'call-1' })).rejects.toMatchObject({ code: 'ambiguous-session' });
    await expect(books.store.end(tenant, { sessionId: 'call-1' }, byNode)).rejects.toMatchObject({
      code: 'ambiguous-session',
    });
    expect((await books.store.end(tenant, { sessionId: 'call-1', user: other }, byNode)).kind).toBe('now');
    expect(await books.store.get(tenant, { sessionId: 'call-1' })).toMatchObject({ session: { user: one } });
  });

  it('keeps tenants apart that have the same user, id and node', async () => {
    const other = { name: 'globex', shards: 4 };
    await admit('call-1', 'alice');
    expect((await books.store.get(other, { sessionId: 'call-1' })).kind).toBe('unknown');
    await books.store.limits.change(other, () => ({ maxSessionsPerUser: 1 }));
    expect((await books.store.admit(other, request('call-1', { user: 'alice' }))).decision.kind).toBe('admitted');
    expect((await books.store.admit(other, request('call-2', { user: 'alice' }))).decision.kind).toBe('rejected');
    expect(await admit('call-2', 'alice')).toBe('admitted');
  });
});
