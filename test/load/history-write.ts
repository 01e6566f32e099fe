import { HistoryDatabase, type HistoryEvent } from '#session-history';

import type { Bench } from './bench-context.js';
import { emptyFile, ended, started } from './history-events.js';
import type { Measurement } from './measurement.js';
import { percentile } from './rounds.js';

const BATCH = 100;
const SESSIONS = 40_000;
/** How many sessions are live before one ends, where start and end come apart. */
const LIVE = 5_000;

/**
 * How fast history takes sessions into a SQLite file, batches of 100 sessions: short ones, whose start and end are in one batch, and
 * long ones, which are a row for their start and are changed by their end in a later batch.
 */
export const historyWrite: Bench = {
  name: 'history.write',
  timeoutMs: 120_000,
  async run(context) {
    const database = await HistoryDatabase.open({ url: await emptyFile(context) });
    context.atEnd(() => database.close());
    context.progress(`${SESSIONS} sessions, start and end together`);
    const short = await timed(database, (index) => [started(index), ended(index)], 0);
    context.progress(`${SESSIONS} sessions, start and end apart`);
    const first = Array.from({ length: LIVE }, (_, index) => started(SESSIONS + index));
    await database.apply(first);
    const long = await timed(database, (index) => [started(index + LIVE), ended(index)], SESSIONS);
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
  },
};

function figure(name: string, value: number, unit: string): Measurement {
  return { name, value, unit, baseline: null, ratio: null };
}

async function timed(database: HistoryDatabase, eventsOf: (index: number) => HistoryEvent[], first: number) {
  const batches = Array.from({ length: SESSIONS / BATCH }, (_, batch) =>
    Array.from({ length: BATCH }, (_event, at) => eventsOf(first + batch * BATCH + at)).flat(),
  );
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const begin = performance.now();
  for (const batch of batches) {
    const before = performance.now();
    await database.apply(batch);
    times.push(performance.now() - before);
  }
  const seconds = (performance.now() - begin) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: SESSIONS / seconds,
    medianMs: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    cpuMicroseconds: (user + system) / SESSIONS,
  };
}
