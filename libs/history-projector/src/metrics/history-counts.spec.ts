import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { HOUR_MS } from '#basics';
import { HistoryDatabase, type HistoryEvent, type RowChange } from '#session-history';

import { countsOf, Growing, userCountsOf } from './history-counts.js';
import { live, ended, refused, traffic as carried } from '../../../session-history/test/history-events.fixture.js';

const START = Date.now() - HOUR_MS;
const NOTHING = { sessions: 0, rejected: 0, bytesSent: 0, bytesReceived: 0, durations: [] };

let database: HistoryDatabase;
let changes: RowChange[];

beforeEach(async () => {
  database = await HistoryDatabase.open({ url: 'memory:' });
  changes = [];
});

afterEach(async () => {
  await database.close();
});

/** Applies these in one batch, and says what that alone counted. */
async function apply(...events: HistoryEvent[]) {
  const own = await database.apply(events);
  changes.push(...own);
  return countsOf(own);
}

describe('what is counted', () => {
  it('is a session when it begins, its traffic and its time when it ends', async () => {
    expect(await apply(live('a', { atMs: START }))).toEqual({ ...NOTHING, sessions: 1 });
    expect(await apply(ended('a', { startedAtMs: START, atMs: START + 1_250, sent: 10, received: 20 }))).toEqual({
      ...NOTHING,
      bytesSent: 10,
      bytesReceived: 20,
      durations: [1.25],
    });
  });

  it('is the same where both come in one batch', async () => {
    expect(await apply(live('a', { atMs: START }), ended('a', { startedAtMs: START, atMs: START + 500 }))).toEqual({
      ...NOTHING,
      sessions: 1,
      durations: [0.5],
    });
  });

  it('is one session in a chain of transfers, whatever batches its legs come in, and no byte twice', async () => {
    const growing = new Growing();
    const legs: HistoryEvent[] = [
      live('leg-1', { atMs: START }),
      carried('leg-1', { startedAtMs: START, atMs: START + 1, sent: 500 }),
      ended('leg-1', { startedAtMs: START, atMs: START + 2_000, reason: 'transferred' }),
      { ...live('leg-2', { startedAtMs: START, atMs: START + 2_001, begins: false }), continues: 'same user' },
      carried('leg-2', { startedAtMs: START, atMs: START + 2_002, sent: 500 }),
      ended('leg-2', { startedAtMs: START, atMs: START + 5_000, sent: 700 }),
    ];
    const counted = { sessions: 0, bytesSent: 0, durations: [] as number[] };
    for (const leg of [...legs, ...legs]) {
      const { sessions, bytesSent, durations } = await apply(leg);
      counted.sessions += sessions;
      counted.bytesSent += growing.take('sent', bytesSent);
      counted.durations.push(...durations);
    }
    expect(counted).toEqual({ sessions: 1, bytesSent: 700, durations: [5] });
    expect(userCountsOf(changes).map(({ sessions }) => sessions)).toEqual([1]);
  });

  it('is nothing where an event comes again, and what has grown where traffic did', async () => {
    const events = [live('a', { atMs: START }), refused('r', { atMs: START, count: 3 })];
    expect(await apply(...events)).toEqual({ ...NOTHING, sessions: 1, rejected: 3 });
    expect(await apply(...events, ...events)).toEqual(NOTHING);
    const traffic = (sent: number): HistoryEvent => ({
      ...ended('a', { startedAtMs: START, atMs: START, sent }),
      kind: 'traffic',
    });
    expect(await apply(traffic(70))).toMatchObject({ bytesSent: 70 });
    expect(await apply(traffic(50))).toEqual(NOTHING);
    expect(await apply(traffic(75))).toMatchObject({ bytesSent: 5 });
  });

  it('is one refusal where the same one comes with an earlier time', async () => {
    expect(await apply(refused('r', { atMs: START + 5, rule: 'no-torrents' }))).toMatchObject({ rejected: 1 });
    expect(await apply(refused('r', { atMs: START, rule: 'no-torrents' }))).toEqual(NOTHING);
  });

  it('is both ends of a session that came back after its node was lost', async () => {
    await apply(live('a', { atMs: START }));
    expect(await apply(ended('a', { startedAtMs: START, atMs: START + 1_000, reason: 'node_lost' }))).toMatchObject({
      durations: [1],
    });
    expect(await apply(live('a', { startedAtMs: START, atMs: START + 2_000, begins: false }))).toEqual(NOTHING);
    expect(await apply(ended('a', { startedAtMs: START, atMs: START + 3_000 }))).toMatchObject({ durations: [3] });
  });

  it('is a session of a user once it is known who that is', async () => {
    await apply(live('a', { user: '', atMs: START }));
    expect(userCountsOf(changes)).toEqual([]);
    await apply(live('a', { user: 'alice', startedAtMs: START, atMs: START + 1, begins: false }));
    await apply(ended('a', { user: 'alice', startedAtMs: START, atMs: START + 2, sent: 7, received: 8 }));
    expect(userCountsOf(changes)).toEqual([
      { tenant: 'default', user: 'alice', sessions: 1, bytesSent: 7, bytesReceived: 8 },
    ]);
  });

  it('adds up to what the statistics say, in any order and any batches, however often events come', async () => {
    const events = Array.from({ length: 300 }, (_, n): HistoryEvent[] => {
      const at = START + n * 100;
      if (n % 7 === 0) return [refused(`r${n}`, { user: `u${n % 5}`, atMs: at, count: 1 + (n % 3) })];
      const user = `u${n % 11}`;
      return [
        live(`s${n}`, { user, atMs: at }),
        ended(`s${n}`, { user, startedAtMs: at, atMs: at + n * 10, sent: n, received: 2 * n }),
      ];
    }).flat();
    const shuffled = [...events, ...events.filter((_, n) => n % 3 === 0)]
      .map((event, n) => ({ event, rank: (n * 7_919) % 1_009 }))
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ event }) => event);
    for (let at = 0; at < shuffled.length; at += 17) await apply(...shuffled.slice(at, at + 17));
    const stats = await database.stats('default', START - HOUR_MS);
    const counts = countsOf(changes);
    expect(counts).toMatchObject({
      sessions: stats.totalSessions,
      rejected: stats.refusals,
      bytesSent: stats.bytesSent,
      bytesReceived: stats.bytesReceived,
    });
    expect(counts.durations).toHaveLength(stats.totalSessions);
    const users = userCountsOf(changes).map(({ user, sessions, bytesSent, bytesReceived }) => ({
      user,
      sessions,
      bytes: bytesSent + bytesReceived,
    }));
    expect(users.toSorted((a, b) => b.bytes - a.bytes).slice(0, 10)).toEqual(stats.topUsers);
  });
});
