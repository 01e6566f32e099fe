import { fileURLToPath } from 'node:url';

import { HOUR_MS } from '#basics';
import { HistoryDatabase, type ExportFormat, type HistoryQuery } from '#session-history';
import { startProcess } from '#testing';

import type { BenchContext } from './bench-context.js';
import { emptyFile } from './history-events.js';
import type { Exported } from './history-export.process.js';
import { fillHistory } from './history-rows.js';
import type { Measurement } from './measurement.js';
import { percentile } from './rounds.js';

const ROWS = 5_000_000;
const ROUNDS = 15;
const EXPORTED_ROWS = 500_000;

/** Statistics, pages and export over 5,000,000 rows of 90 days in one SQLite file, about 5 GB that are removed afterwards. */
export async function historyRead(context: BenchContext): Promise<Measurement[]> {
  const url = await emptyFile(context);
  await (await HistoryDatabase.open({ url })).close();
  context.progress(`${ROWS} rows, some minutes`);
  fillHistory(url.replace('sqlite://', ''), ROWS);
  const database = await HistoryDatabase.open({ url });
  context.atEnd(() => database.close());
  context.progress('statistics, pages, export');
  return [...(await stats(database)), ...(await pages(database)), ...(await exported(url))];
}

async function stats(database: HistoryDatabase): Promise<Measurement[]> {
  const measured = [];
  for (const [name, hours] of [
    ['24 h', 24],
    ['7 days', 168],
    ['90 days', 2_160],
  ] as const) {
    const times = await timed(() => database.stats('default', Date.now() - hours * HOUR_MS));
    measured.push(atMost(`history.stats/${name}`, times, 20));
  }
  return measured;
}

async function pages(database: HistoryDatabase): Promise<Measurement[]> {
  const day = Date.now() - 24 * HOUR_MS;
  const queries: Record<string, HistoryQuery> = {
    first: {},
    'in the middle': { page: ROWS / 100 },
    last: { page: ROWS / 50 },
    'oldest first, deep': { page: Math.floor(ROWS / 70), sortDir: 'asc' },
    'failed, deep': { status: 'failed', page: 1_000 },
    'of a busy user': { user: 'user0', page: 3 },
    'of a host, deep': { destIp: 'host0.example.com', page: 100 },
    'of a user, refused': { user: 'user1', status: 'rejected_by_limit' },
    'a day, deep': { sinceMs: day, page: 1_000 },
    'refused in a day': { sinceMs: day, status: 'rejected_by_limit', page: 5 },
    'of 1,000 rows': { pageSize: 1_000, page: 2_000 },
  };
  const measured = [];
  for (const [name, query] of Object.entries(queries)) {
    const times = await timed(() => database.history('default', query));
    measured.push(atMost(`history.page/${name}`, times, 50));
  }
  return measured;
}

async function exported(url: string): Promise<Measurement[]> {
  const measured: Measurement[] = [];
  for (const format of ['csv', 'json-lines'] as const) {
    const { rows, seconds, peakBytes } = await exportedAlone(url, format);
    const alone = { baseline: null, ratio: null };
    const speed = { of: 'value', is: 'at least', bound: 100_000 } as const;
    const memory = { of: 'value', is: 'at most', bound: 200 } as const;
    measured.push(
      { name: `history.export/${format}`, value: rows / seconds, unit: 'rows/s', ...alone, target: speed },
      { name: `history.export/${format}, memory`, value: peakBytes / 2 ** 20, unit: 'MiB', ...alone, target: memory },
    );
  }
  return measured;
}

async function exportedAlone(url: string, format: ExportFormat): Promise<Exported> {
  const program = fileURLToPath(new URL('history-export.process.js', import.meta.url));
  const args = [program, url, format, String(EXPORTED_ROWS)];
  const child = await startProcess(process.execPath, args, { ready: { line: /^\{/ }, readyTimeoutMs: 120_000 });
  await child.exited;
  return JSON.parse(child.output()) as Exported;
}

/** Milliseconds of each round; the first warms up and does not count. */
async function timed(work: () => Promise<unknown>): Promise<number[]> {
  const times = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const begin = performance.now();
    await work();
    if (round > 0) times.push(performance.now() - begin);
  }
  return times;
}

function atMost(name: string, times: number[], bound: number): Measurement {
  const target = { of: 'value', is: 'at most', bound } as const;
  return { name, value: percentile(times, 0.5), unit: 'ms, median', baseline: null, ratio: null, target };
}
