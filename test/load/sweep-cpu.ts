import { setTimeout as delay } from 'node:timers/promises';

import type { SessionStore } from '#session-core';

import { forEachInFlight } from './in-flight.js';
import { processorMicroseconds } from './process-cpu.js';
import { mustAdmit, sipCall, TENANT } from './sessions.js';

const BATCHES = 100;
const IN_FLIGHT = 256;
const USERS = 50_000;

/**
 * The most processor time that Redis takes to end a batch of so many sessions: milliseconds. One call at a time, with nothing
 * else asked meanwhile, so all that Redis does is that call; unlike the time by the clock it does not contain the time that
 * the processor was with other programs.
 *
 * The sessions are numbered from `first`; they are admitted for this, for which `admissionMs` each is enough.
 */
export async function longestSweepMs(
  store: SessionStore,
  redisPid: number,
  { batch, first, admissionMs }: { batch: number; first: number; admissionMs: number },
): Promise<number> {
  const dueMs = Date.now() + 2_000 + 2 * admissionMs * BATCHES * batch;
  await forEachInFlight(BATCHES * batch, IN_FLIGHT, async (index) => {
    const call = sipCall(first + index, index % USERS);
    await mustAdmit(store, { ...call, policy: { ...call.policy, maxDurationMs: Math.max(1, dueMs - Date.now()) } });
  });
  await delay(Math.max(0, dueMs + 100 - Date.now()));
  let longest = 0;
  for (let ended = batch; ended === batch;) {
    const before = await processorMicroseconds(redisPid);
    ended = (await store.sweep(TENANT, 0, batch)).ended.length;
    longest = Math.max(longest, (await processorMicroseconds(redisPid)) - before);
  }
  return longest / 1_000;
}
