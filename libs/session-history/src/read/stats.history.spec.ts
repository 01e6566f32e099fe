import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { HOUR_MS } from '#basics';

import { historyEvent, type HistoryDatabase, type Stats } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { isSession, plainStats, sum } from '../../test/plain.fixture.js';
import { allRows } from '../../test/rows.fixture.js';
import { deliveries, happening, TENANTS, World } from '../../test/world.fixture.js';

/** Worlds end about now, so that windows reach from some hours to some days back. */
const START = Date.now() - 6 * 24 * HOUR_MS;

describeDatabases('statistics', ({ forAll, open }) => {
  const examples = { sqlite: { short: 8, long: 20 }, postgres: { short: 3, long: 6 } };
  const worlds = fc.array(happening(4 * HOUR_MS), { minLength: 40, maxLength: 120 });
  const windows = fc.array(fc.nat(8 * 24 * HOUR_MS), { minLength: 6, maxLength: 6 });

  it('equal a plain recomputation from all rows, for random events and windows', async () => {
    await forAll(
      examples,
      fc.asyncProperty(worlds, windows, fc.array(fc.nat(), { minLength: 20 }), async (list, back, choices) => {
        const world = new World(START).run(list);
        const database = await open();
        for (const batch of deliveries(world.events, choices, true)) await database.apply(batch);
        for (const tenant of TENANTS) {
          const rows = await allRows(database, tenant);
          const edges = rows.slice(0, 3).map(({ start_time }) => Date.parse(start_time));
          for (const since of [...back.map((ms) => world.nowMs - ms), ...edges, 0]) {
            const { peakSessions, ...stats } = await database.stats(tenant, since);
            expect(inOrder(stats)).toEqual(inOrder(plainStats(rows, tenant, since)));
            expect(peakSessions).toBe(peakOf(world, tenant, 'total', '', since));
          }
        }
      }),
    );
  });

  it.each([20 * 60_000, 26 * HOUR_MS])(
    'count a chain of transfers once, in a window that began %d ms ago',
    async (backMs) => {
      const database = await open();
      const start = Date.now() - 15 * 60_000 - (backMs > HOUR_MS ? 2 * HOUR_MS : 0);
      let n = 0;
      const tell = (type: string, fields: Record<string, unknown>) => {
        const at = start + 1_000 * n++;
        const all = { v: 1, id: `e${n}`, type, tenant: 'default', at, startedAt: start, attempt: 1, ...fields };
        const text = Object.entries(all).map(([name, value]) => [name, String(value)]);
        return historyEvent({ position: `${at}-0`, shard: 0, fields: Object.fromEntries(text) as never })!;
      };
      const session = (id: string, user: string) =>
        JSON.stringify({ id, attempt: 1, user, destination: 'example.com:443', groups: ['trunk:west'] });
      const ended = (sessionId: string, user: string, reason: string, totals = {}) =>
        tell('session.ended', { sessionId, user, reason, endedAt: start + 1_000 * n, ...totals });
      await database.apply([
        tell('session.admitted', { session: session('leg-1', 'alice') }),
        ended('leg-1', 'alice', 'transferred'),
        tell('session.transferred', { session: session('leg-2', 'alice'), fromId: 'leg-1' }),
        ended('leg-2', 'alice', 'transferred'),
        tell('session.transferred', { session: session('leg-3', 'bob'), fromId: 'leg-2', fromUser: 'alice' }),
        ended('leg-3', 'bob', 'completed', { bytesSent: 500 }),
      ]);
      expect(await database.stats('default', Date.now() - backMs)).toMatchObject({
        totalSessions: 1,
        endedSessions: 1,
        bytesSent: 500,
        averageDurationSecs: 5,
        topUsers: [{ user: 'bob', sessions: 1, bytes: 500 }],
        topDestinations: [{ dest: 'example.com:443', sessions: 1 }],
        endedByReason: { completed: 1 },
      });
      const traffic = await database.traffic('default', { sinceMs: Date.now() - backMs });
      expect(sum(traffic, ({ sessions }) => sessions)).toBe(1);
      expect((await database.history('default')).total).toBe(3);
    },
  );

  it('have the exact peak of every hour, for the total, users and groups', async () => {
    await forAll(
      examples,
      fc.asyncProperty(worlds, fc.array(fc.nat(), { minLength: 20 }), async (list, choices) => {
        const world = new World(START).run(list);
        const database = await open();
        for (const batch of deliveries(world.events, choices, true)) await database.apply(batch);
        for (const [scope, name] of [
          ['total', ''],
          ['user', 'alice'],
          ['group', 'trunk:west'],
        ] as const) {
          const since = START + 5 * HOUR_MS + 1;
          const peaks = await database.peaks('default', { scope, name }, since, world.nowMs);
          for (const { atMs, peak } of peaks)
            expect(peak).toBe(peakOf(world, 'default', scope, name, atMs, atMs + HOUR_MS));
        }
      }),
    );
  });

  it('name the users with the highest peaks', async () => {
    const database = await open();
    const world = new World(START).run(
      Array.from({ length: 12 }, (_, at) => ({
        what: 'admit' as const,
        who: at % 3 === 0 ? 1 : 0,
        which: 0,
        afterMs: 60_000,
      })),
    );
    await database.apply(world.events);
    const highest = await database.highestPeaks('default', { scope: 'user', count: 5 }, START, world.nowMs);
    expect(highest).toEqual([
      { name: 'alice', peak: 8 },
      { name: 'bob', peak: 4 },
    ]);
  });

  it('find the most of many users whose lists of single days say little', async () => {
    const database = await open();
    const events = Array.from({ length: 6_000 }, (_, at) => {
      const user = `u${(at * 7_919) % 3_000}`;
      const startedAtMs = START + at * 80_000;
      const position = `${startedAtMs}-${at}`;
      const common = { tenant: 'default', atMs: startedAtMs, position, levels: [] };
      const totals = { bytesSent: ((at * 104_729) % 9_973) + 1 };
      const end = { user, node: '', endedAtMs: startedAtMs + 5, reason: 'completed' as const, note: '' };
      return { kind: 'ended' as const, ...common, sessionId: `s${at}`, attempt: 1, startedAtMs, totals, ...end };
    });
    await database.apply(events);
    const rows = await allRows(database, 'default');
    for (const hours of [0, 1, 24, 50, 80, 144]) {
      const since = Date.now() - hours * HOUR_MS;
      const { peakSessions: _, ...stats } = await database.stats('default', since);
      expect(inOrder(stats)).toEqual(inOrder(plainStats(rows, 'default', since)));
    }
  });

  it('tell traffic by the hour, of all and of one user', async () => {
    await forAll(
      { sqlite: { short: 10, long: 25 }, postgres: { short: 4, long: 8 } },
      fc.asyncProperty(worlds, fc.nat(6 * 24 * HOUR_MS), async (list, ms) => {
        const database = await open();
        await database.apply(new World(START).run(list).events);
        const rows = await allRows(database, 'default', { sinceMs: START + ms });
        for (const user of [undefined, 'alice']) {
          const hoursFound = await database.traffic('default', { sinceMs: START + ms, user });
          const mine = rows.filter((row) => user === undefined || row.user === user);
          expect(sum(hoursFound, ({ sessions }) => sessions)).toBe(mine.filter(isSession).length);
          expect(sum(hoursFound, ({ bytesSent }) => bytesSent)).toBe(sum(mine, (row) => row.bytes_sent));
          expect(sum(hoursFound, ({ refusals }) => refusals)).toBe(sum(mine, (row) => row.refusals));
          const hours = new Set(mine.map(({ start_time }) => Date.parse(`${start_time.slice(0, 13)}:00:00Z`)));
          expect(hoursFound.map(({ atMs }) => atMs)).toEqual([...hours].toSorted((a, b) => a - b));
        }
      }),
    );
  });

  it('of totals beyond what numbers hold are rounded, and stop nothing', async () => {
    const database: HistoryDatabase = await open();
    const events = new World(START).run(
      Array.from({ length: 2_200 }, () => ({ what: 'admit' as const, who: 0, which: 0, afterMs: 1 })),
    ).events;
    const traffic = events.flatMap((event) =>
      event.kind === 'live'
        ? [
            {
              ...event,
              kind: 'traffic' as const,
              sessionId: event.session.id,
              attempt: event.session.attempt,
              totals: { bytesSent: Number.MAX_SAFE_INTEGER },
            },
          ]
        : [],
    );
    await database.apply([...events, ...traffic]);
    const { bytesSent } = await database.stats('default', START - 1);
    expect(bytesSent / Number.MAX_SAFE_INTEGER).toBeCloseTo(2_200, 5);
  });
});

/** Which of equals come first, or at all, is open: numbers alone are compared, and names where the numbers are theirs alone. */
function inOrder(stats: Omit<Stats, 'peakSessions'>) {
  return {
    ...stats,
    topUsers: stats.topUsers.map(({ sessions, bytes }, at, all) => [
      bytes,
      isAlone(all, at, 'bytes') ? sessions : null,
    ]),
    topDestinations: stats.topDestinations.map(({ sessions }) => sessions),
    users: stats.topUsers.filter((_, at, all) => isAlone(all, at, 'bytes')).map(({ user }) => user),
    destinations: stats.topDestinations.filter((_, at, all) => isAlone(all, at, 'sessions')).map(({ dest }) => dest),
  };
}

/** The last of a full list may have equals that are not in it. */
function isAlone<K extends string>(all: readonly Record<K, number>[], at: number, by: K): boolean {
  const value = all[at]?.[by];
  return all[at - 1]?.[by] !== value && all[at + 1]?.[by] !== value && !(all.length === 10 && at === 9);
}

/** The most that were live at once from the hour on: what the hour began with, and what every change in it left. */
function peakOf(
  world: World,
  tenant: string,
  scope: string,
  name: string,
  sinceMs: number,
  untilMs = Infinity,
): number {
  const from = Math.floor(sinceMs / HOUR_MS) * HOUR_MS;
  const mine = world.levels.filter((level) => level.tenant === tenant && level.scope === scope && level.name === name);
  const before = mine.filter(({ atMs }) => atMs < from).at(-1)?.active ?? 0;
  return Math.max(before, ...mine.filter(({ atMs }) => atMs >= from && atMs < untilMs).map(({ active }) => active));
}
