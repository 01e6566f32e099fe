import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';

import { HOUR_MS, MINUTE_MS } from '#basics';
import { SessionStore, type AdmissionRequest } from '#session-core';
import type { HistoryDatabase } from '#session-history';

import { forEachTest } from '../../admin-suite.fixture.js';
import { type Admin, admission, DEFAULT_TENANT } from '../../limits-admin.fixture.js';
import { admitted, ended, refused, startWithHistory } from './history.fixture.js';

let admin: Admin;
let database: HistoryDatabase;
/** The beginning of the hour five hours ago. */
let hourMs: number;

const suite = forEachTest(({ nowMs }) => {
  hourMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS - 5 * HOUR_MS;
});

async function answer(path: string): Promise<Record<string, unknown>> {
  const { status, body } = await admin.call('GET', path);
  expect([status, body]).toMatchObject([200, {}]);
  return body;
}

describe('a gap in history', () => {
  it('is shown by what lacks its events, and by nothing else', async () => {
    ({ admin, database } = await startWithHistory(suite.start));
    const [fromMs, toMs] = [hourMs, hourMs + MINUTE_MS];
    const lost = { tenant: 'default', shard: 0, atMs: suite.nowMs, position: `${suite.nowMs}-0`, levels: [] };
    await database.apply([{ kind: 'gap', ...lost, id: 'trimmed', fromMs, toMs, entries: 500 }]);
    const gaps = [{ from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), events: 500 }];
    for (const path of ['/stats?window_hours=24', '/history', '/violations', '/history?user=alice&timeRange=1d']) {
      expect(await answer(path)).toMatchObject({ gaps });
    }
    for (const path of ['/stats?timeRange=1h', '/history?hours=1', '/violations?timeRange=1h']) {
      expect(await answer(path)).not.toHaveProperty('gaps');
    }
  });
});

describe.each(['memory', 'sqlite'])('statistics in %s', (kind) => {
  beforeEach(async () => {
    const url = kind === 'sqlite' ? `sqlite://${join(suite.dir, 'history.db')}` : 'memory:';
    ({ admin, database } = await startWithHistory(suite.start, url));
  });

  it('count what started within the window, and refusals by limits beside it', async () => {
    const at = (hours: number) => suite.nowMs - hours * HOUR_MS;
    const recorded = [
      { id: 's1', user: 'alice', startedAtMs: at(1), destination: 'example.com:443', active: { total: 1 } },
      { id: 's2', user: 'bob', startedAtMs: at(2), destination: 'example.com:443', active: { total: 7 } },
      { id: 's3', user: 'alice', startedAtMs: at(30), destination: 'api.example:443', active: { total: 9 } },
      { id: 's4', user: 'alice', startedAtMs: at(1), destination: null },
    ];
    const [first, second, third] = recorded;
    await database.apply([
      ...recorded.map(admitted),
      ended(first!, 10, 'completed', { bytesSent: 100, bytesReceived: 11 }),
      ended(second!, 25, 'killed', { bytesSent: 1_000, bytesReceived: 2, totalActive: 0 }),
      ended(third!, 3_600, 'completed', { bytesSent: 7, totalActive: 0 }),
      refused({ atMs: at(1), limits: [{ scope: 'user', key: 'alice', max: 1, active: 1 }], count: 4 }),
      refused({ atMs: at(1), sessionId: 'r2', rule: 'no east' }),
    ]);
    const live = { active_sessions: 0, authenticated_sessions: 0, idle_sessions: 0, unique_users: 0 };
    expect(await answer('/stats')).toEqual({
      ...live,
      window_hours: 24,
      total_sessions: 3,
      total_bytes_sent: 1_100,
      total_bytes_received: 13,
      top_users: [
        { user: 'bob', sessions: 1, bytes: 1_002 },
        { user: 'alice', sessions: 2, bytes: 111 },
      ],
      top_destinations: [{ dest: 'example.com:443', sessions: 2 }],
      peakConcurrentSessions: 7,
      averageDuration: 17.5,
      limitViolations: 4,
    });
    const wide = { window_hours: 48, total_sessions: 4, total_bytes_sent: 1_107, peakConcurrentSessions: 9 };
    expect(await answer('/stats?window_hours=48')).toMatchObject(wide);
    expect(await answer('/stats?timeRange=2d')).toMatchObject(wide);
    expect(await answer('/stats?timeRange=15m')).toMatchObject({
      window_hours: 0.25,
      total_sessions: 0,
      averageDuration: null,
      top_users: [],
    });
  });

  it('have the peak of each hour, and of users and groups the highest', async () => {
    const west = { 'trunk:west': 1 };
    const one = { id: 'one', user: 'alice', startedAtMs: hourMs + MINUTE_MS };
    const two = { id: 'two', user: 'bob', startedAtMs: hourMs + 2 * MINUTE_MS };
    await database.apply([
      admitted({ ...one, active: { total: 1, user: 1, groups: west } }),
      admitted({ ...two, active: { total: 2, user: 1 } }),
      ended(one, 3_600, 'completed', { totalActive: 1, userActive: 0 }),
      admitted({ id: 'three', user: 'bob', startedAtMs: hourMs + 3 * HOUR_MS, active: { total: 2, user: 2 } }),
    ]);
    const at = (hours: number) => new Date(hourMs + hours * HOUR_MS).toISOString();
    const hours = (peaks: number[]) => peaks.map((peak, i) => ({ at: at(i - 1), peak }));
    const peaksOf = async (query: string) => {
      const body = await answer(`/peaks?${query}`);
      return { ...body, hours: (body['hours'] as unknown[]).slice(0, 7) }; // the test may go on into the next hour
    };
    const seconds = Math.floor((suite.nowMs - hourMs) / 1_000) + 1_800;
    const [range, window_hours] = [`timeRange=${seconds}`, seconds / 3_600];
    const total = { window_hours, scope: 'total', name: null, peak: 2, hours: hours([0, 2, 2, 1, 2, 2, 2]) };
    expect(await peaksOf(range)).toEqual(total);
    expect(await peaksOf(`scope=total&name=&${range}`)).toEqual(total);
    expect(await peaksOf(`scope=user&name=ALICE&${range}`)).toMatchObject({
      name: 'alice',
      peak: 1,
      hours: hours([0, 1, 1, 0, 0, 0, 0]),
    });
    expect(await peaksOf(`scope=group&name=trunk:west&${range}`)).toMatchObject({ name: 'trunk:west', peak: 1 });
    expect(await peaksOf(`scope=user&name=nobody&${range}`)).toMatchObject({ peak: 0 });
    const users = [
      { name: 'bob', peak: 2 },
      { name: 'alice', peak: 1 },
    ];
    expect(await answer(`/peaks?scope=user&window_hours=48`)).toEqual({ window_hours: 48, scope: 'user', top: users });
    expect(await answer(`/peaks?scope=user&top=1&window_hours=48`)).toMatchObject({ top: users.slice(0, 1) });
    expect(await answer(`/peaks?scope=group&window_hours=48`)).toMatchObject({
      top: [{ name: 'trunk:west', peak: 1 }],
    });
  });

  it('have the traffic of each hour in which something started, of all and of a user', async () => {
    const one = { id: 'one', user: 'alice', startedAtMs: hourMs + MINUTE_MS };
    const two = { id: 'two', user: 'bob', startedAtMs: hourMs + 2 * MINUTE_MS };
    const three = { id: 'three', user: 'alice', startedAtMs: hourMs + 3 * HOUR_MS };
    await database.apply([
      ...[one, two, three].map(admitted),
      ended(one, 10, 'completed', { bytesSent: 10, bytesReceived: 1 }),
      ended(two, 10, 'completed', { bytesSent: 20, bytesReceived: 2 }),
      refused({ atMs: hourMs, user: 'alice', count: 5, limits: [{ scope: 'user', key: 'alice', max: 1, active: 1 }] }),
    ]);
    const at = (hours: number) => new Date(hourMs + hours * HOUR_MS).toISOString();
    const later = { at: at(3), sessions: 1, bytes_sent: 0, bytes_received: 0, refusals: 0 };
    expect(await answer('/traffic')).toEqual({
      window_hours: 24,
      user: null,
      hours: [{ at: at(0), sessions: 2, bytes_sent: 30, bytes_received: 3, refusals: 5 }, later],
    });
    expect(await answer('/traffic?user=sip:alice@h&window_hours=48')).toEqual({
      window_hours: 48,
      user: 'alice',
      hours: [{ at: at(0), sessions: 1, bytes_sent: 10, bytes_received: 1, refusals: 5 }, later],
    });
  });
});

describe('the live figures', () => {
  const SSH = { idleMs: HOUR_MS, maxDurationMs: 0, reservationMs: 180_000 };
  const WEB = { idleMs: 5 * MINUTE_MS, maxDurationMs: 24 * HOUR_MS, reservationMs: 180_000 };

  beforeEach(async () => {
    ({ admin, database } = await startWithHistory(suite.start));
  });

  /** Admits a session so long ago. */
  async function admitAgo(agoMs: number, protocol: string, asked: Partial<AdmissionRequest> & { sessionId: string }) {
    const clockMs = () => Date.now() - agoMs;
    const store = new SessionStore({ client: suite.client, deadlineMs: 60_000, tombstoneMs: 60_000, clockMs });
    const { decision } = await store.admit(DEFAULT_TENANT, {
      ...admission('alice', asked.sessionId, { protocol }),
      ...asked,
    });
    expect(decision).toMatchObject({ kind: 'admitted' });
    return store;
  }

  it('come from the books: sessions, those with a user, and those users', async () => {
    await admitAgo(0, 'sip', { sessionId: 'a1' });
    await admitAgo(0, 'sip', { sessionId: 'a2', state: 'reserved' });
    await admitAgo(0, 'sip', { sessionId: 'b1', user: 'bob' });
    await admitAgo(0, 'ssh', { sessionId: 'n1', user: '', policy: SSH });
    const figures = { active_sessions: 4, authenticated_sessions: 3, unique_users: 2, idle_sessions: 0 };
    expect(await answer('/stats')).toMatchObject(figures);
  });

  it('call a session idle that was silent for more than half of its idle time, and no silent call', async () => {
    await admitAgo(31 * MINUTE_MS, 'ssh', { sessionId: 'idle ssh', policy: SSH });
    await admitAgo(29 * MINUTE_MS, 'ssh', { sessionId: 'ssh', policy: SSH });
    await admitAgo(2.6 * MINUTE_MS, 'web', { sessionId: 'idle web', user: 'bob', policy: WEB });
    await admitAgo(2 * MINUTE_MS, 'web', { sessionId: 'web', user: 'bob', policy: WEB });
    await admitAgo(2.9 * MINUTE_MS, 'web', { sessionId: 'reserved', user: 'bob', policy: WEB, state: 'reserved' });
    await admitAgo(23.9 * HOUR_MS, 'sip', { sessionId: 'a long call', user: 'carol' });
    expect(await answer('/stats')).toMatchObject({ active_sessions: 6, idle_sessions: 2 });
    const store = new SessionStore({ client: suite.client, deadlineMs: 60_000, tombstoneMs: 60_000 });
    await store.renew(DEFAULT_TENANT, { sessionId: 'idle ssh' });
    const figures = await answer('/stats');
    expect(figures).toMatchObject({ idle_sessions: 1 });
    expect(figures).not.toHaveProperty('idle_sessions_at_least');
  });

  it('say when more than 1,000 sessions would have to be looked at for the idle ones', async () => {
    const users = Array.from({ length: 1_001 }, (_, i) => `user${i}`);
    await Promise.all(
      users.map((user) => admitAgo(3 * MINUTE_MS, 'web', { sessionId: `of ${user}`, user, policy: WEB })),
    );
    expect(await answer('/stats')).toMatchObject({
      active_sessions: 1_001,
      unique_users: 1_001,
      authenticated_sessions: 1_001,
      idle_sessions: 1_000,
      idle_sessions_at_least: true,
    });
  });
});
