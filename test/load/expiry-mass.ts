import { setTimeout as delay } from 'node:timers/promises';

import type { Redis } from 'ioredis';

import { QUEUE_PREFIX, shardKeys, type SessionStore } from '#session-core';
import { startBerth } from '#testing';

import type { BenchContext } from './bench-context.js';
import { ExpiryWatch } from './expiry-watch.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { preferRedis } from './prefer-redis.js';
import { percentile } from './rounds.js';
import { mustAdmit, mustEnd, sipCall, TENANT, type BenchBooks } from './sessions.js';
import { longestSweepMs } from './sweep-cpu.js';

const SESSIONS = 100_000;
const USERS = 50_000;
const SPREAD_MS = 60_000;
const IN_FLIGHT = 256;
/** Admissions that tell how long the others will take on this machine. */
const TRIAL = 5_000;
const GRACE_MS = 30_000;

/** How late the reaper ends 100,000 sessions that are due within one minute, and what that costs everybody else. */
export async function expiryMass(context: BenchContext, { server, client, store }: BenchBooks): Promise<Measurement[]> {
  preferRedis(context, server.pid);
  const berth = await startBerth({ redisUrl: server.url, apps: ['session-reaper'] });
  context.atEnd(() => berth.stop());

  const { due, firstDueMs, admissionMs } = await board(context, store);
  const watch = await ExpiryWatch.start(client, firstDueMs);
  await delay(Math.max(0, firstDueMs + SPREAD_MS - Date.now()));
  const left = await waitForTheLast(client);
  const { mostJobs, callsMs } = await watch.stop();
  if (left > 0) throw new Error(`${left} sessions were still live ${GRACE_MS / 1000} s after the last was due`);

  const { lateness, batch } = await endings(client, due);
  if (lateness.length !== SESSIONS)
    throw new Error(`${lateness.length} of ${SESSIONS} sessions ended by their deadline`);
  await berth.stop();
  const first = SESSIONS + TRIAL;
  const longestMs = await longestSweepMs(store, server.pid, { batch, first, admissionMs });
  return [
    {
      ...line('', percentile(lateness, 0.99), 'ms late, p99'),
      target: { of: 'value', is: 'at most', bound: 1_000 },
    },
    line('/p50', percentile(lateness, 0.5), 'ms late'),
    line('/max', percentile(lateness, 1), 'ms late'),
    {
      ...line('/longest call', percentile(callsMs, 1), 'ms in one script, by the clock'),
      target: { of: 'value', is: 'at most', bound: 5 },
    },
    {
      ...line('/longest call, CPU', longestMs, `ms of CPU to end ${batch}`),
      target: { of: 'value', is: 'at most', bound: 5 },
    },
    line('/p50 call', percentile(callsMs, 0.5), 'ms of Redis'),
    line('/p99 call', percentile(callsMs, 0.99), `ms of Redis, of ${callsMs.length} calls above 0.2 ms`),
    {
      ...line('/jobs', mostJobs, 'BullMQ jobs at the peak'),
      // Of each shard and of the sweep: the one that is being worked on, and its successor.
      target: { of: 'value', is: 'at most', bound: 2 * (TENANT.shards + 1) },
    },
    line('/queue keys', await queueKeys(client), 'keys of BullMQ'),
  ];
}

function line(part: string, value: number, unit: string): Measurement {
  return { name: `expiry.mass${part}`, value, unit, baseline: null, ratio: null };
}

/** Puts all sessions on the books, due one after the other from a moment when they are sure to be there. */
async function board(context: BenchContext, store: SessionStore) {
  const trialStart = Date.now();
  await forEachInFlight(TRIAL, IN_FLIGHT, async (index) => {
    const call = sipCall(SESSIONS + index, index);
    await mustAdmit(store, call);
    await mustEnd(store, call);
  });
  const expectedMs = (Date.now() - trialStart) * (SESSIONS / TRIAL);
  const firstDueMs = Date.now() + expectedMs + 5_000;
  context.progress(`${SESSIONS} sessions, the first is due in ${Math.ceil((expectedMs + 5_000) / 1000)} s`);

  const due = new Map<string, number>();
  await forEachInFlight(SESSIONS, IN_FLIGHT, async (index) => {
    const call = sipCall(index, index % USERS);
    const dueMs = firstDueMs + Math.floor((index * SPREAD_MS) / SESSIONS);
    const session = await mustAdmit(store, {
      ...call,
      policy: { ...call.policy, maxDurationMs: Math.max(1, dueMs - Date.now()) },
    });
    due.set(session.id, session.expiresAtMs ?? Number.NaN);
  });
  if (Date.now() > firstDueMs) throw new Error('The machine was too slow to admit them before the first was due');
  return { due, firstDueMs, admissionMs: expectedMs / SESSIONS };
}

/** Returns how many sessions are live still when the reaper has had its time. */
async function waitForTheLast(client: Redis): Promise<number> {
  const giveUpMs = Date.now() + GRACE_MS;
  const { deadlines } = shardKeys(TENANT, 0);
  let left = await client.zcard(deadlines);
  while (left > 0 && Date.now() < giveUpMs) {
    await delay(100);
    left = await client.zcard(deadlines);
  }
  return left;
}

/**
 * From the outbox: how long after it was due each session ended, milliseconds, and how many ended together in one script at
 * the most (they have the same time: a full batch takes longer than a millisecond).
 */
async function endings(
  client: Redis,
  due: ReadonlyMap<string, number>,
): Promise<{ lateness: number[]; batch: number }> {
  const { events } = shardKeys(TENANT, 0);
  const lateness: number[] = [];
  const together = new Map<string, number>();
  for (let from = '-'; ;) {
    const entries = await client.xrange(events, from, '+', 'COUNT', 1_000);
    for (const [, flat] of entries) {
      const field = (name: string) => flat[flat.indexOf(name) + 1] ?? '';
      if (field('type') !== 'session.ended' || field('reason') !== 'max_duration') continue;
      const endedAt = field('endedAt');
      lateness.push(Number(endedAt) - (due.get(field('sessionId')) ?? Number.NaN));
      together.set(endedAt, (together.get(endedAt) ?? 0) + 1);
    }
    const last = entries.at(-1)?.[0];
    if (last === undefined) return { lateness, batch: Math.max(...together.values()) };
    from = `(${last}`;
  }
}

async function queueKeys(client: Redis): Promise<number> {
  let [cursor, found] = ['0', 0];
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', `${QUEUE_PREFIX}*`, 'COUNT', 1_000);
    found += keys.length;
    cursor = next;
  } while (cursor !== '0');
  return found;
}
