import { createHash } from 'node:crypto';

import type { Redis } from 'ioredis';

import type { AdmissionRequest } from '#session-core';

import type { BenchContext } from './bench-context.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { processorMicroseconds } from './process-cpu.js';
import { preferRedis } from './prefer-redis.js';
import { scriptMicroseconds } from './redis-figures.js';
import { alternate, compare } from './rounds.js';
import { mustAdmit, mustEnd, mustRenew, sipCall, type BenchBooks } from './sessions.js';

const LIVE = 10_000;
const USERS = 10_000;
/** Small rounds, many of them: one in which the system took the processor from Redis is then outvoted, not averaged in. */
const ROUNDS = 61;
const CALLS = 256;

const SMALLEST = `redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2]) return redis.call('ZCARD', KEYS[1])`;
const SMALLEST_SHA = createHash('sha1').update(SMALLEST).digest('hex');
const SMALLEST_KEY = 'bench:{default/0}:smallest';

/** Redis time of an admission, a renewal and an end, next to that of a script with one ZADD and one ZCARD. */
export async function coreRedisTime(
  context: BenchContext,
  { server, client, store }: BenchBooks,
): Promise<Measurement[]> {
  preferRedis(context, server.pid);
  context.progress(`${LIVE} live sessions`);
  await forEachInFlight(LIVE, 256, (index) => mustAdmit(store, sipCall(index, index % USERS)));
  await client.script('LOAD', SMALLEST);
  await forEachInFlight(LIVE, 256, (index) => smallest(client, sipCall(index, index)));

  context.progress(`${ROUNDS} rounds of ${CALLS} calls`);
  const timed = async (call: (request: AdmissionRequest) => Promise<unknown>, requests: AdmissionRequest[]) => {
    await client.config('RESETSTAT');
    const before = await processorMicroseconds(server.pid);
    await Promise.all(requests.map(call));
    const whole = ((await processorMicroseconds(server.pid)) - before) / CALLS;
    return { script: await scriptMicroseconds(client), whole };
  };
  const renewals: number[] = [];
  const ends: number[] = [];
  const whole: Record<'admit' | 'smallest', number[]> = { admit: [], smallest: [] };
  const times = await alternate(ROUNDS, {
    async admit(round) {
      const requests = requestsOf(round);
      const time = await timed((request) => mustAdmit(store, request), requests);
      // Of other sessions: an end with totals is dearer.
      const renewal = await timed((request) => mustRenew(store, request), steadyOf(round));
      const end = await timed((request) => mustEnd(store, request), requests);
      if (round > 0) {
        renewals.push(renewal.script);
        ends.push(end.script);
        whole.admit.push(time.whole);
      }
      return time.script;
    },
    async smallest(round) {
      const requests = requestsOf(round);
      const time = await timed((request) => smallest(client, request), requests);
      await client.zrem(SMALLEST_KEY, ...requests.map(({ sessionId }) => sessionId));
      if (round > 0) whole.smallest.push(time.whole);
      return time.script;
    },
  });
  return [
    {
      name: 'core.redis-time',
      unit: 'µs of Redis per admission',
      ...compare(times.admit, times.smallest),
      target: { of: 'ratio', is: 'at most', bound: 6 },
    },
    {
      name: 'core.redis-time/whole',
      unit: 'µs of processor per admission, request and answer included',
      ...compare(whole.admit, whole.smallest),
    },
    {
      name: 'core.redis-time/renewal',
      unit: 'µs of Redis per renewal with totals',
      ...compare(renewals, times.smallest),
    },
    { name: 'core.redis-time/end', unit: 'µs of Redis per end', ...compare(ends, times.smallest) },
  ];
}

/** Calls that are live throughout. */
function steadyOf(round: number): AdmissionRequest[] {
  return Array.from({ length: CALLS }, (_, index) => {
    const number = (round * CALLS + index) % LIVE;
    return sipCall(number, number % USERS);
  });
}

function requestsOf(round: number): AdmissionRequest[] {
  return Array.from({ length: CALLS }, (_, index) => {
    const number = LIVE + round * CALLS + index;
    return sipCall(number, number % USERS);
  });
}

async function smallest(client: Redis, { sessionId }: AdmissionRequest): Promise<unknown> {
  return await client.evalsha(SMALLEST_SHA, 1, SMALLEST_KEY, Date.now(), sessionId);
}
