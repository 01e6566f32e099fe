import { afterEach, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import type { BerthConfig } from '#config';
import { HistoryDatabase, type HistoryEvent } from '#session-history';

import { Fleet } from '../../../session-core/test/fleet.fixture.js';
import { live, ended, refused } from '../../../session-history/test/history-events.fixture.js';
import { forEachTest, type ProjectorSuite } from '../../test/projector.fixture.js';
import { HistoryCountsMetrics } from './history-counts.metrics.js';
import { RustsocksMetrics } from './rustsocks.metrics.js';

const START = Date.now() - 3_600_000;

let suite: ProjectorSuite;
let database: HistoryDatabase;

forEachTest(async (begun) => {
  suite = begun;
  database = await HistoryDatabase.open({ url: 'memory:' });
});

afterEach(() => database.close());

async function start(
  metrics: BerthConfig['metrics'],
  logging?: BerthConfig['logging'],
): Promise<NestFastifyApplication> {
  return await suite.start({ config: { metrics, ...(logging && { logging }) } });
}

async function count(app: NestFastifyApplication, ...events: HistoryEvent[]): Promise<void> {
  const changes = await database.apply(events);
  app.get(RustsocksMetrics).applied(changes);
  app.get(HistoryCountsMetrics).applied(changes);
}

/** An app that has counted the day of alice and bob. */
async function afterADay(metrics: BerthConfig['metrics']): Promise<NestFastifyApplication> {
  const app = await start(metrics);
  await count(app, ...A_DAY_OF_ALICE_AND_BOB);
  return app;
}

/** Metrics come in the order in which they were declared. */
const metricOf = (line: string) => line.replace(/(_(bucket|sum|count))?(\{.*| .*)$/, '');

async function scrape(app: NestFastifyApplication, names: RegExp): Promise<string[]> {
  const { payload } = await app.inject('/metrics');
  const lines = payload.split('\n').filter((line) => names.test(line));
  return lines.toSorted((a, b) => (metricOf(a) < metricOf(b) ? -1 : Number(metricOf(a) > metricOf(b))));
}

const A_DAY_OF_ALICE_AND_BOB: HistoryEvent[] = [
  live('a1', { user: 'alice', atMs: START }),
  live('a2', { user: 'alice', atMs: START + 1 }),
  live('b1', { user: 'bob', atMs: START + 2 }),
  ended('a1', { user: 'alice', startedAtMs: START, atMs: START + 300, sent: 100, received: 2_000 }),
  ended('a2', { user: 'alice', startedAtMs: START + 1, atMs: START + 45_001, sent: 1, received: 0 }),
  ended('b1', { user: 'bob', startedAtMs: START + 2, atMs: START + 900_002, sent: 0, received: 9_000 }),
  refused('r1', { user: 'alice', atMs: START + 3, count: 4 }),
  refused('r2', { user: 'bob', atMs: START + 4, rule: 'no-torrents' }),
];

describe('the metrics of the SOCKS proxy', () => {
  it('have the names, labels and buckets that its dashboards know', async () => {
    const app = await start({ compat: 'rustsocks', topUsers: 50 });
    await new Fleet(suite.client).admitAll('carol', 3);
    await count(app, ...A_DAY_OF_ALICE_AND_BOB);
    expect(await scrape(app, /^rustsocks_/)).toEqual([
      'rustsocks_active_sessions 3',
      'rustsocks_bytes_received_total 11000',
      'rustsocks_bytes_sent_total 101',
      'rustsocks_session_duration_seconds_bucket{le="0.1"} 0',
      'rustsocks_session_duration_seconds_bucket{le="0.5"} 1',
      'rustsocks_session_duration_seconds_bucket{le="1"} 1',
      'rustsocks_session_duration_seconds_bucket{le="5"} 1',
      'rustsocks_session_duration_seconds_bucket{le="10"} 1',
      'rustsocks_session_duration_seconds_bucket{le="30"} 1',
      'rustsocks_session_duration_seconds_bucket{le="60"} 2',
      'rustsocks_session_duration_seconds_bucket{le="300"} 2',
      'rustsocks_session_duration_seconds_bucket{le="+Inf"} 3',
      'rustsocks_session_duration_seconds_sum 945.3',
      'rustsocks_session_duration_seconds_count 3',
      'rustsocks_sessions_rejected_total 5',
      'rustsocks_sessions_total 3',
      'rustsocks_user_bandwidth_bytes_total{user="bob",direction="sent"} 0',
      'rustsocks_user_bandwidth_bytes_total{user="bob",direction="received"} 9000',
      'rustsocks_user_bandwidth_bytes_total{user="alice",direction="sent"} 101',
      'rustsocks_user_bandwidth_bytes_total{user="alice",direction="received"} 2000',
      'rustsocks_user_sessions_total{user="alice"} 2',
      'rustsocks_user_sessions_total{user="bob"} 1',
    ]);
  });

  it('count nothing twice, and are the same at every scrape', async () => {
    const app = await afterADay({ compat: 'rustsocks', topUsers: 50 });
    const before = await scrape(app, /^rustsocks_/);
    await count(app, ...A_DAY_OF_ALICE_AND_BOB.toReversed());
    expect(await scrape(app, /^rustsocks_/)).toEqual(before);
  });

  it('show so many users, each by what it has the most of', async () => {
    const app = await afterADay({ compat: 'rustsocks', topUsers: 1 });
    expect(await scrape(app, /^rustsocks_user_/)).toEqual([
      'rustsocks_user_bandwidth_bytes_total{user="bob",direction="sent"} 0',
      'rustsocks_user_bandwidth_bytes_total{user="bob",direction="received"} 9000',
      'rustsocks_user_sessions_total{user="alice"} 2',
    ]);
  });

  it('show no users where none are wanted', async () => {
    const app = await afterADay({ compat: 'rustsocks', topUsers: 0 });
    expect(await scrape(app, /^rustsocks_user_/)).toEqual([]);
  });

  it('name users: hostile ones inside their label, others by their tenant, none hashed', async () => {
    const logging = { level: 'info', hashUsers: true, hashKey: 'x'.repeat(16) } as const;
    const app = await start({ compat: 'rustsocks', topUsers: 50 }, logging);
    const hostile = 'a"} 99\n\\';
    await count(
      app,
      live('h1', { user: hostile, atMs: START }),
      live('h2', { tenant: 'acme', user: hostile, atMs: START }),
    );
    expect(await scrape(app, /^rustsocks_user/)).toEqual([
      'rustsocks_user_sessions_total{user="a\\"} 99\\n\\\\"} 1',
      'rustsocks_user_sessions_total{user="a\\"} 99\\n\\\\",tenant="acme"} 1',
    ]);
  });

  it('are not there unless they are asked for', async () => {
    const app = await afterADay({ compat: 'none', topUsers: 50 });
    expect(await scrape(app, /rustsocks/)).toEqual([]);
  });
});

describe("Berth's own metrics of sessions", () => {
  it('have what they lasted and carried', async () => {
    const app = await afterADay({ compat: 'none', topUsers: 50 });
    expect(await scrape(app, /^berth_session_(bytes|duration_seconds_(sum|count|bucket\{le="(1|60|900)"))/)).toEqual([
      'berth_session_bytes_total{direction="sent"} 101',
      'berth_session_bytes_total{direction="received"} 11000',
      'berth_session_duration_seconds_bucket{le="1"} 1',
      'berth_session_duration_seconds_bucket{le="60"} 2',
      'berth_session_duration_seconds_bucket{le="900"} 3',
      'berth_session_duration_seconds_sum 945.3',
      'berth_session_duration_seconds_count 3',
    ]);
  });
});
