import { setTimeout as delay } from 'node:timers/promises';

import { StreamsServer } from '#event-streams';
import { shardKeys } from '#session-core';

import type { BenchContext } from './bench-context.js';
import type { Measurement } from './measurement.js';
import { percentile } from './rounds.js';
import { mustAdmit, mustEnd, sipCall, TENANT, type BenchBooks } from './sessions.js';

const PER_SECOND = 5_000;
const SECONDS = 12;
const WARM_UP_S = 2;
const TICK_MS = 10;
const IN_FLIGHT = 2_000;
const USERS = 50_000;

/** How long after an admission a consumer of the outbox has it in hand, at 5,000 admissions per second, each with its end. */
export async function outboxLag(context: BenchContext, { server, store }: BenchBooks): Promise<Measurement[]> {
  const { events } = shardKeys(TENANT, 0);
  const lagsMs: number[] = [];
  const seen = { entries: 0 };
  const consumer = new StreamsServer({
    connect: () => server.client(),
    streams: [events],
    group: 'bench',
    deadLetterStream: `${events}:dead`,
    batch: 500,
  });
  const startedAt = Date.now();
  consumer.addBatchHandler({
    types: ['session.admitted', 'session.ended'],
    handle: (entries) => {
      const nowMs = Date.now();
      seen.entries += entries.length;
      if (nowMs - startedAt > WARM_UP_S * 1_000) for (const { atMs } of entries) lagsMs.push(nowMs - atMs);
      return Promise.resolve(entries.map(() => 'done'));
    },
  });
  consumer.listen(() => {});
  context.atEnd(() => consumer.close());

  context.progress(`${PER_SECOND} admissions per second for ${SECONDS} s`);
  const { admitted, late } = await drive(store);
  for (const all = 2 * admitted; seen.entries < all;) await delay(50);
  const line = (part: string, value: number, unit: string): Measurement => {
    return { name: `outbox.lag${part}`, value, unit, baseline: null, ratio: null };
  };
  return [
    {
      ...line('', percentile(lagsMs, 0.99), 'ms from the event to its consumer, p99'),
      target: { of: 'value', is: 'at most', bound: 250 },
    },
    line('/p50', percentile(lagsMs, 0.5), 'ms'),
    line('/max', percentile(lagsMs, 1), 'ms'),
    line('/admissions', admitted / SECONDS, `admissions per second, of which ${late} were asked late`),
  ];
}

/** Asks at a steady rate, whatever the answers take; each session ends when it has been admitted. */
async function drive(store: BenchBooks['store']): Promise<{ admitted: number; late: number }> {
  const startedAt = performance.now();
  const open = new Set<Promise<void>>();
  let [asked, late] = [0, 0];
  while (performance.now() - startedAt < SECONDS * 1_000) {
    const due = Math.floor(((performance.now() - startedAt) * PER_SECOND) / 1_000);
    for (; asked < due; asked += 1) {
      if (open.size >= IN_FLIGHT) {
        late += 1;
        await Promise.race(open);
      }
      const call = sipCall(asked, asked % USERS);
      const work = mustAdmit(store, call)
        .then(() => mustEnd(store, call))
        .finally(() => open.delete(work));
      open.add(work);
    }
    await delay(TICK_MS);
  }
  await Promise.all(open);
  return { admitted: asked, late };
}
