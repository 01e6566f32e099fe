import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Redis } from 'ioredis';

import { loadConfig } from '#config';
import { History } from '#history-projector';
import { booksOfTenants, createLogger, openStores } from '#service-kit';
import { historyKeys, SessionStore, shardKeys } from '#session-core';
import type { SessionRow } from '#session-history';
import { EventInbox } from '#session-inbox';
import { eventually } from '#testing';

import { forWholeSuite } from '../admin-suite.fixture.js';
import { DEFAULT_TENANT, type Admin } from '../limits-admin.fixture.js';
import { SETTINGS } from './api/history.fixture.js';

const KEYS = shardKeys(DEFAULT_TENANT, 0);
const TOTALS = ['bytesSent', 'bytesReceived', 'packetsSent', 'packetsReceived'] as const;

interface Published {
  type: 'session.started' | 'session.activity' | 'session.ended';
  attempt?: number;
  [field: string]: unknown;
}

/** How events come: one after the other from the inbox, one after the other over HTTP, or all at once. */
type Way = 'inbox' | 'http' | 'batch';

let client: Redis;
let admin: Admin;
let nowMs = 1_800_000_000_000;
let tickMs = 0;

forWholeSuite(async (suite) => {
  ({ client } = suite);
  const url = `sqlite://${join(suite.dir, 'history.db')}`;
  admin = await suite.start({ config: { history: { ...SETTINGS, url, batchIntervalMs: 1 } } });
  await books().store.limits.publishFile(DEFAULT_TENANT, { maxSessionsPerUser: 2 }, 'test');
});

beforeEach(() => {
  tickMs = 0;
});

function books() {
  const config = loadConfig({ env: {}, cwd: '/' });
  const logger = createLogger(config, 'test', { write: () => {} });
  const { nodes, snapshots } = openStores(config, client, logger, { deadlineMs: config.store.decisionDeadlineMs });
  const clockMs = () => (nowMs += tickMs);
  const store = new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000, clockMs });
  const [opened] = booksOfTenants(config, { store, nodes, snapshots });
  return { store, inbox: new EventInbox(() => opened) };
}

async function say(sessionId: string, published: readonly Published[], way: Way): Promise<void> {
  const { inbox, store } = books();
  const arrival = { ageMs: 0, tenant: null } as const;
  const apply = async (event: Published, index: number) => {
    const atMs = way === 'inbox' ? nowMs : null;
    const via = way === 'inbox' ? 'inbox' : 'http';
    await inbox.apply({ v: 1, ...event, sessionId }, { ...arrival, id: `${sessionId}${index}`, atMs, via });
  };
  if (way === 'batch') await Promise.all(published.map(apply));
  else for (const [index, event] of published.entries()) await apply(event, index);
  await store.upkeep(DEFAULT_TENANT, 0, 200);
}

/** The rows of a session, oldest first, once history has all that happened. */
async function rowsOf(sessionId: string): Promise<SessionRow[]> {
  await eventually(
    async () => {
      const groups = (await client.xinfo('GROUPS', KEYS.events).catch(() => [])) as unknown[][];
      const read = groups.find((group) => group[1] === historyKeys.group) ?? [];
      expect([read[read.indexOf('lag') + 1], read[read.indexOf('pending') + 1]]).toEqual([0, 0]);
    },
    { timeoutMs: 60_000, intervalMs: 3 },
  );
  const { rows } = await admin.app.get(History).database.history('default', { pageSize: 1_000 });
  return rows.filter((row) => row.session_id === sessionId).toReversed();
}

const totals = fc.record(Object.fromEntries(TOTALS.map((name) => [name, fc.nat(1_000)])), { requiredKeys: [] });
const activity = totals.map((sums): Published => ({ type: 'session.activity', ...sums }));
const ended = totals.map((sums): Published => ({ type: 'session.ended', reason: 'BYE', ...sums }));
const started: Published = {
  type: 'session.started',
  user: 'alice',
  node: 'b2bua-1',
  sourceIp: '192.0.2.7',
  destination: 'sip.example.com:5060',
  groups: ['trunk:west'],
};
const way = fc.constantFrom<Way>('inbox', 'http', 'batch');

/** All events, in an order, some of them more than once. */
const inAnyOrder = (published: readonly Published[]) =>
  fc
    .tuple(fc.shuffledSubarray([...published], { minLength: published.length }), fc.subarray([...published]))
    .map(([order, again]) => [...order, ...again]);

const largest = (published: readonly Published[]) => {
  const of = (name: string) => Math.max(0, ...published.map((event) => Number(event[name] ?? 0)));
  const [bytes_sent, bytes_received, packets_sent, packets_received] = TOTALS.map(of);
  return { bytes_sent, bytes_received, packets_sent, packets_received };
};

describe('history and books are the same', () => {
  it('for every order and every grouping of the events of a session, however often each comes', async () => {
    const stories = fc
      .tuple(fc.array(activity, { maxLength: 4 }), fc.array(ended, { minLength: 1, maxLength: 2 }))
      .chain(([activities, ends]) => inAnyOrder([started, ...activities, ...ends]));
    await fc.assert(
      fc.asyncProperty(stories, way, async (published, how) => {
        const sessionId = randomUUID();
        await say(sessionId, published, how);
        const rows = await rowsOf(sessionId);
        expect(rows).toHaveLength(1);
        expect(rows[0]).toMatchObject({
          user: 'alice',
          node: 'b2bua-1',
          source_ip: '192.0.2.7',
          dest_ip: 'sip.example.com',
          dest_port: 5060,
          groups: '["trunk:west"]',
          attempt: 1,
          start_time: new Date(nowMs).toISOString(),
          end_time: new Date(nowMs).toISOString(),
          duration_secs: 0,
          status: 'closed',
          close_reason: 'completed',
          note: 'BYE',
          ...largest(published),
        });
        const found = await books().store.get(DEFAULT_TENANT, { sessionId });
        const { bytes_sent: bytesSent, packets_received: packetsReceived } = largest(published);
        expect(found).toMatchObject({ kind: 'ended', session: { user: 'alice', bytesSent, packetsReceived } });
        expect(await client.zcard(KEYS.deadlines)).toBe(0);
      }),
      { numRuns: 120 },
    );
  }, 120_000);

  it('for every order of the events of several attempts of an id', async () => {
    tickMs = 5;
    const attempt = fc.integer({ min: 1, max: 3 });
    const numbered = fc
      .tuple(attempt, fc.oneof(fc.constant(started), activity, ended))
      .map(([number, event]): Published => ({ ...event, attempt: number }));
    const stories = fc.array(numbered, { minLength: 2, maxLength: 8 }).chain(inAnyOrder);
    await fc.assert(
      fc.asyncProperty(stories, fc.constantFrom<Way>('inbox', 'http'), async (published, how) => {
        const sessionId = randomUUID();
        await say(sessionId, published, how);
        const rows = await rowsOf(sessionId);
        const begun = [1, 2, 3].filter((n) =>
          published.some((event) => event.type === started.type && event.attempt === n),
        );
        expect(rows.map((row) => row.attempt).toSorted((a, b) => a - b)).toEqual(begun);
        const last = Math.max(
          0,
          ...published.filter(({ type }) => type === 'session.ended').map((event) => event.attempt!),
        );
        for (const row of rows) {
          const isLive = row.attempt === Math.max(...begun) && row.attempt > last;
          expect(row.status === 'active').toBe(isLive);
          if (!isLive) expect(row).toMatchObject(largest(published.filter((event) => event.attempt === row.attempt)));
        }
        await say(sessionId, [{ type: 'session.ended' }], how);
      }),
      { numRuns: 120 },
    );
  }, 120_000);

  it('however much is reported after the end: a few events, then one in each pass of the reaper', async () => {
    const sessionId = randomUUID();
    const before = await client.xlen(KEYS.events);
    const reports = Array.from({ length: 500 }, (_, n): Published => ({ type: 'session.activity', bytesSent: n + 1 }));
    await say(sessionId, [started, { type: 'session.ended' }, ...reports], 'http');
    expect(await client.xlen(KEYS.events)).toBe(before + 2 + 8 + 1);
    expect(await rowsOf(sessionId)).toMatchObject([{ status: 'closed', bytes_sent: 500 }]);
    expect(await client.exists(KEYS.late)).toBe(0);
  });

  it('of a start that arrives after its end: admission and ending in one step, no place, one row, no peak', async () => {
    const sessionId = randomUUID();
    const peak = async () => (await admin.app.get(History).database.stats('default', nowMs)).peakSessions;
    nowMs += 3_600_000;
    await say(sessionId, [{ type: 'session.ended', reason: 'BYE', bytesSent: 7 }], 'inbox');
    const before = { entries: await client.xlen(KEYS.events), peak: await peak() };
    await say(sessionId, [started], 'inbox');
    const written = (await client.xrange(KEYS.events, '-', '+')).slice(before.entries);
    // One script: nothing comes between the two. Redis 7.0 may give them different milliseconds all the same.
    expect(written.map(([, fields]) => fields[5])).toEqual(['session.admitted', 'session.ended']);
    expect(await rowsOf(sessionId)).toMatchObject([
      { user: 'alice', status: 'closed', close_reason: 'completed', note: 'BYE', bytes_sent: 7 },
    ]);
    expect(await peak()).toBe(before.peak);
    expect(await client.zcard(KEYS.userSessions('alice'))).toBe(0);
  });
});
