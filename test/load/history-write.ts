import { setImmediate } from 'node:timers/promises';

import { HistoryDatabase, type HistoryEvent } from '#session-history';

import type { BenchContext } from './bench-context.js';
import { emptyFile, ended, started } from './history-events.js';
import type { Measurement } from './measurement.js';
import { percentile } from './rounds.js';

const BATCH = 100;
const SESSIONS = 40_000;
/** So many that what runs often is compiled before anything is counted. */
const WARM_UP = 4_000;
/** How many sessions are live before one ends, where start and end come apart. */
const LIVE = 5_000;

/**
 * How fast history takes sessions into a SQLite file, batches of 100 sessions: short ones, whose start and end are in one batch, and
 * long ones, which are a row for their start and are changed by their end in a later batch.
 */
export async function historyWrite(context: BenchContext): Promise<Measurement[]> {
  const database = await HistoryDatabase.open({ url: await emptyFile(context) });
  context.atEnd(() => database.close());
  const together = (index: number) => [started(index), ended(index)];
  await timed(database, together, 0, WARM_UP);
  context.progress(`${SESSIONS} sessions, start and end together`);
  const short = await timed(database, together, WARM_UP, SESSIONS);
  context.progress(`${SESSIONS} sessions, start and end apart`);
  const next = WARM_UP + SESSIONS;
  await database.apply(Array.from({ length: LIVE }, (_, index) => started(next + index)));
  const long = await timed(database, (index) => [started(index + LIVE), ended(index)], next, SESSIONS);
  return [
    {
      ...figure('history.write', short.perSecond, 'sessions/s'),
      target: { of: 'value', is: 'at least', bound: 10_000 },
    },
    { ...figure('history.write/batch', short.p99Ms, 'ms, p99'), target: { of: 'value', is: 'at most', bound: 20 } },
    figure('history.write/batch, median', short.medianMs, 'ms'),
    figure('history.write/processor', short.cpuMicroseconds, 'µs per session'),
    figure('history.write/apart', long.perSecond, 'sessions/s'),
    figure('history.write/apart, batch', long.p99Ms, 'ms, p99'),
    figure('history.write/apart, processor', long.cpuMicroseconds, 'µs per session'),
  ];
}

function figure(name: string, value: number, unit: string): Measurement {
  return { name, value, unit, baseline: null, ratio: null };
}

async function timed(
  database: HistoryDatabase,
  eventsOf: (index: number) => HistoryEvent[],
  first: number,
  sessions: number,
) {
  const batches = Array.from({ length: sessions / BATCH }, (_, batch) =>
    Array.from({ length: BATCH }, (_event, at) => eventsOf(first + batch * BATCH + at)).flat(),
  );
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const begin = performance.now();
  for (const batch of batches) {
    const before = performance.now();
    await database.apply(batch);
    times.push(performance.now() - before);
    await setImmediate(); // as a projector lets others work when it waits for the next batch
  }
  const seconds = (performance.now() - begin) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: sessions / seconds,
    medianMs: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    cpuMicroseconds: (user + system) / sessions,
  };
}
