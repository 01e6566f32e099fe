import { setTimeout as delay } from 'node:timers/promises';

import type { Redis } from 'ioredis';

import { groupLag } from '#event-streams';
import { INBOX_STREAMS, inboxKeys, shardKeys } from '#session-core';
import { startBerth } from '#testing';

import type { BenchContext } from './bench-context.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { processorMicroseconds } from './process-cpu.js';
import { mustAdmit, sipCall, TENANT, type BenchBooks } from './sessions.js';

const SESSIONS = 50_000;
const USERS = 25_000;
/** Three reports of activity and the end, of each session. */
const REPORTS = 3;
const EVENTS = SESSIONS * (REPORTS + 1);
const GIVE_UP_MS = 120_000;

/** How many published events one reaper applies in a second: a backlog of activity and ends, from its start to the last. */
export async function inboxThroughput(
  context: BenchContext,
  { server, client, store }: BenchBooks,
): Promise<Measurement[]> {
  context.progress(`${SESSIONS} sessions`);
  await forEachInFlight(SESSIONS, 256, (index) => mustAdmit(store, sipCall(index, index % USERS)));

  const berth = await startBerth({ redisUrl: server.url, apps: ['session-reaper'] });
  context.atEnd(() => berth.stop());
  for (let number = 0; number < INBOX_STREAMS; number += 1) {
    const stream = inboxKeys.events(number);
    while ((await groupLag(client, stream, inboxKeys.group)) === null) await delay(50);
  }
  context.progress(`${EVENTS} events`);
  const startedAt = performance.now();
  const before = await processorMicroseconds(server.pid);
  await publish(server.client());
  const publishedMs = performance.now() - startedAt;
  await allApplied(client);
  const tookMs = performance.now() - startedAt;
  const redisUs = (await processorMicroseconds(server.pid)) - before;
  const left = await client.zcard(shardKeys(TENANT, 0).deadlines);
  if (left > 0) throw new Error(`${left} sessions were still live when every event was applied`);
  return [
    {
      name: 'inbox.throughput',
      value: (EVENTS / tookMs) * 1_000,
      unit: 'events/s, from the first published to the last applied',
      baseline: null,
      ratio: null,
      target: { of: 'value', is: 'at least', bound: 20_000 },
    },
    {
      name: 'inbox.throughput/published',
      value: (EVENTS / publishedMs) * 1_000,
      unit: 'events/s that were published meanwhile',
      baseline: null,
      ratio: null,
    },
    {
      name: 'inbox.throughput/redis',
      value: redisUs / EVENTS,
      unit: 'µs of processor of Redis per event, publishing included',
      baseline: null,
      ratio: null,
    },
  ];
}

/** As B2BUAs do: flat text into any of the streams. Ends come after the activity of all, as they do in a fleet. */
async function publish(client: Redis): Promise<void> {
  await forEachInFlight(EVENTS, 1_000, async (number) => {
    const index = number % SESSIONS;
    const round = Math.floor(number / SESSIONS);
    const { sessionId } = sipCall(index, index % USERS);
    const what =
      round < REPORTS
        ? [
            'type',
            'session.activity',
            'bytesSent',
            String(1_000 * round + 1),
            'bytesReceived',
            String(2_000 * round + 1),
          ]
        : ['type', 'session.ended', 'reason', 'bye'];
    await client.xadd(inboxKeys.events(index % INBOX_STREAMS), '*', 'v', '1', ...what, 'sessionId', sessionId);
  });
}

async function allApplied(client: Redis): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  for (let number = 0; number < INBOX_STREAMS;) {
    const lag = await groupLag(client, inboxKeys.events(number), inboxKeys.group);
    if (lag?.entries === 0) number += 1;
    else if (performance.now() > giveUpAt) throw new Error(`${lag?.entries} events were left`);
    else await delay(20);
  }
}
