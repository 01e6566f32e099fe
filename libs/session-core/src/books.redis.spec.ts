import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { request, startBooks, type Books as Shop } from '../test/fixture.js';
import { Books } from './books.js';
import { shardOf, type TenantRef } from './keys.js';

let server: Awaited<ReturnType<typeof startBooks>>;

beforeAll(async () => {
  server = await startBooks();
});

afterAll(async () => {
  await server?.server.stop();
});

const ONE: TenantRef = { name: 'default', shards: 1 };
const TWO: TenantRef = { name: 'default', shards: 2 };

/** Sessions by user, with no limit in the way. */
async function admitAll({ store }: Shop, tenant: TenantRef, counts: Record<string, number>): Promise<void> {
  await store.limits.change(tenant, (api) => ({ ...api, maxSessionsPerUser: 0 }));
  const wanted = Object.entries(counts).flatMap(([user, count]) => Array.from({ length: count }, () => user));
  await Promise.all(wanted.map((user, i) => store.admit(tenant, request(`s${i}`, { user }))));
}

describe.each([ONE, TWO])('the books of $shards shards', (tenant) => {
  it('count the users with live sessions, and those sessions; nobody is no user', async () => {
    const shop = await server.open();
    const books = new Books(shop.redis, 60_000);
    expect(await books.totalOfUsers(tenant)).toEqual({ users: 0, sessions: 0 });
    await admitAll(shop, tenant, { alice: 3, bob: 1, carol: 1, dave: 2, '': 4 });
    expect(await books.totalOfUsers(tenant)).toEqual({ users: 4, sessions: 7 });
    expect(await books.total(tenant)).toBe(11);
  });

  it('count as exactly where users are too many to be read', async () => {
    const shop = await server.open();
    const many = Array.from({ length: 2_300 }, (_, i) => [`user${i}`, 1 + (i % 7 === 0 ? 2 : 0) + (i < 20 ? i : 0)]);
    const counts = Object.fromEntries(many) as Record<string, number>;
    await admitAll(shop, tenant, counts);
    const sessions = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(await new Books(shop.redis, 60_000).totalOfUsers(tenant)).toEqual({ users: 2_300, sessions });
  });

  it('show what is due by a time, no more than asked for, and say whether there is more', async () => {
    const shop = await server.open();
    const books = new Books(shop.redis, 60_000);
    const users = ['alice', 'bob', 'carol', 'dave', 'erin'];
    for (const [i, user] of users.entries()) {
      const policy = { idleMs: 1_000 * (i + 1), maxDurationMs: 0, reservationMs: 0 };
      await shop.store.admit(tenant, request(`of ${user}`, { user, policy }));
    }
    const forever = { idleMs: 0, maxDurationMs: 0, reservationMs: 0 };
    await shop.store.admit(tenant, request('of frank', { user: 'frank', policy: forever }));
    const dueBy = async (ms: number, limit: number) => {
      const { sessions, more } = await books.dueBy(tenant, shop.clock.nowMs + ms, limit);
      return { users: sessions.map(({ user }) => user).toSorted(), more };
    };
    expect(await dueBy(999, 10)).toEqual({ users: [], more: false });
    expect(await dueBy(3_000, 10)).toEqual({ users: ['alice', 'bob', 'carol'], more: false });
    expect(await dueBy(3_000, 3)).toEqual({ users: ['alice', 'bob', 'carol'], more: false });
    expect(await dueBy(1_000_000, 10)).toEqual({ users, more: false });
    const { users: some, more } = await dueBy(1_000_000, 2);
    expect([some.length, more]).toEqual([2, true]);
    const inFirst = users.filter((user) => shardOf(tenant, user) === 0);
    if (inFirst.length >= 2) expect(some).toEqual(inFirst.slice(0, 2));
  });
});
