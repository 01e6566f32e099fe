import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Books } from './books.js';
import type { TenantRef } from './keys.js';
import { request, useBooks } from '../test/fixture.js';

const END = { reason: 'completed', by: 'node' } as const;
const ACME: TenantRef = { name: 'acme', shards: 2 };

/** What happens between two pages. */
interface Step {
  what: 'start' | 'end' | 'renew';
  which: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom<Step['what']>('start', 'end', 'renew'),
  which: fc.nat(1_000),
});

const FILTERS = [{}, { user: 'alice' }, { group: 'trunk:west' }, { node: 'b2bua-1' }];

describe.each([{ name: 'default', shards: 1 }, ACME])('pages of live sessions in $shards shards', (tenant) => {
  const shop = useBooks();

  const start = async (id: string, user: string) => {
    const policy = { idleMs: 600_000, maxDurationMs: 0, reservationMs: 0 };
    // A node that never beats may have any number of runs, and sessions without one.
    const epoch = [null, 5, 7][id.charCodeAt(id.length - 1) % 3] ?? null;
    await shop.store.admit(tenant, request(id, { user, groups: ['trunk:west'], epoch, policy }));
  };

  it('show each steady session exactly once, at most as many as asked for, whatever begins, ends and is renewed meanwhile', async () => {
    const churn = fc.asyncProperty(
      fc.constantFrom(...FILTERS),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 60 }),
      fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 30 }),
      async (filter, limit, count, between) => {
        await shop.redis.flushall();
        await shop.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
        const user = (i: number) => (i % 3 === 0 ? 'bob' : 'alice');
        const live = new Map<string, string>();
        let made = 0;
        const begin = async () => {
          const id = `${'zma'[made % 3]}${made}`;
          live.set(id, user(made));
          made += 1;
          if (made % 2 === 0) shop.clock.advance(1); // some start in the same millisecond
          await start(id, live.get(id)!);
        };
        for (let i = 0; i < count; i += 1) await begin();
        const steady = new Map([...live].filter(([, of]) => !('user' in filter) || of === filter.user));
        const seen: string[] = [];
        const books = new Books(shop.redis, 5_000);
        for (let cursor: string | null = null, pages = 0; ; pages += 1) {
          const page = await books.sessions(tenant, filter, cursor, limit);
          expect(page.sessions.length).toBeLessThanOrEqual(limit);
          seen.push(...page.sessions.map(({ id }) => id));
          cursor = page.nextCursor;
          if (cursor === null) break;
          for (const { what, which } of between[pages] ?? []) {
            const ids = [...live.keys()];
            const id = ids[which % Math.max(1, ids.length)];
            if (what === 'start') await begin();
            if (id === undefined) continue;
            const ref = { sessionId: id, user: live.get(id)! };
            if (what === 'renew') {
              shop.clock.advance(10);
              await shop.store.renew(tenant, ref);
            }
            if (what === 'end') {
              await shop.store.end(tenant, ref, END);
              live.delete(id);
              steady.delete(id);
            }
          }
        }
        expect(seen.filter((id) => steady.has(id)).toSorted()).toEqual([...steady.keys()].toSorted());
        expect(new Set(seen).size).toBe(seen.length);
      },
    );
    await fc.assert(churn, { numRuns: 40 });
  });

  it.each(FILTERS)('by %j are whole also where there are thousands, of which many started at once', async (filter) => {
    await shop.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    const ids = Array.from({ length: 2_400 }, (_, i) => `s${(i * 7_919) % 2_400}`);
    for (const [i, id] of ids.entries()) {
      if (i % 900 === 0) shop.clock.advance(1);
      await start(id, 'alice');
    }
    const books = new Books(shop.redis, 5_000);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await books.sessions(tenant, filter, cursor, 700);
      expect(page.sessions.length).toBeLessThanOrEqual(700);
      seen.push(...page.sessions.map(({ id }) => id));
      cursor = page.nextCursor;
      if (cursor === null) break;
      // The last one that was seen goes: the place after it is one all the same.
      await shop.store.end(tenant, { sessionId: seen.at(-1)!, user: 'alice' }, END);
    } while (cursor !== null);
    expect(seen.toSorted()).toEqual(ids.toSorted());
    const all: string[] = [];
    for await (const sessions of books.allSessions(tenant)) all.push(...sessions.map(({ id }) => id));
    expect(new Set(all).size).toBe(await books.total(tenant));
  });
});

describe('a list of the books', () => {
  const shop = useBooks();
  const tenant = { name: 'default', shards: 1 };

  it('has a deadline for each command and none for all, and asks for no more than a piece at once', async () => {
    await shop.store.limits.change(tenant, () => ({ maxSessionsPerUser: 0 }));
    for (let i = 0; i < 1_500; i += 1)
      await shop.store.admit(tenant, request(`s${i}`, { user: i < 1_200 ? 'alice' : `u${i}` }));
    let commands = 0;
    let reads = 0;
    const sizes: number[] = [];
    const counting = new Proxy(shop.redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          commands += 1;
          const answer: unknown = await (value as (...all: unknown[]) => Promise<unknown>).apply(target, args);
          for (const list of Array.isArray(answer) ? [answer, answer[1] as unknown] : []) {
            if (Array.isArray(list)) sizes.push(list.length);
          }
          return answer;
        };
      },
    });
    const books = new Books(counting, 10_000);
    const read = (books as unknown as { read: (call: () => Promise<unknown>) => Promise<unknown> }).read.bind(books);
    Object.assign(books, {
      read: async (call: () => Promise<unknown>) => {
        reads += 1;
        return await read(call);
      },
    });
    const lists = async () => {
      expect((await books.sessions(tenant, {}, null, 1_000)).sessions).toHaveLength(1_000);
      expect((await books.sessions(tenant, { user: 'alice' }, null, 1_000)).sessions).toHaveLength(1_000);
      expect((await books.sessions(tenant, { node: 'nowhere' }, null, 1_000)).sessions).toEqual([]);
      expect(await books.users(tenant)).toHaveLength(301);
      expect(await books.groups(tenant)).toEqual([]);
      expect((await books.dueBy(tenant, Infinity, 500)).sessions.length).toBeLessThanOrEqual(500);
      expect(
        await books.sessionsNamed(
          tenant,
          Array.from({ length: 500 }, (_, i) => `s${i}`),
        ),
      ).toMatchObject({ sessions: { length: 500 }, unreadable: [] });
      expect(await books.newestOfUser(tenant, 'alice')).not.toBeNull();
      expect(await books.totalOfUsers(tenant)).toEqual({ users: 301, sessions: 1_500 });
      expect(await books.lastRefusal(tenant, 'alice')).toBeNull();
    };
    await lists(); // loads the scripts, which is a command more
    [commands, reads] = [0, 0];
    await lists();
    expect(reads).toBeGreaterThan(30);
    expect(commands).toBe(reads);
    // Members and scores of 500, and a little more where Redis gives them.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2_000);
  });
});
