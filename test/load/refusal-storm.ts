import { setTimeout as delay } from 'node:timers/promises';

import { shardKeys, type AdmissionRequest, type SessionStore } from '#session-core';

import type { BenchContext } from './bench-context.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { alternate, compare, median } from './rounds.js';
import { mustAdmit, mustEnd, sipCall, TENANT, type BenchBooks } from './sessions.js';

const USERS = 10_000;
const TRUNK_PLACES = 100;
const ROUNDS = 7;
const ROUND_MS = 2_000;
const TICK_MS = 10;
/** Calls per second in all, what one shard is made for; of them 95 % for the trunk that is full. */
const OTHERS_PER_SECOND = 500;
const STORM_PER_SECOND = 9_500;

/**
 * Admissions of others while one trunk is full and everybody calls it: of 10,000 calls a second 95 % are refused. The others' calls come at their
 * pace whatever happens to the rest; how many of them are admitted in time is compared with the same without the storm.
 */
export async function refusalStorm(context: BenchContext, { client, store }: BenchBooks): Promise<Measurement[]> {
  await store.limits.change(TENANT, (api) => ({ ...api, groups: { trunk: { default: TRUNK_PLACES } } }));
  await forEachInFlight(TRUNK_PLACES, 64, (index) => mustAdmit(store, stormCall(index)));
  let next = TRUNK_PLACES;
  const refused: number[] = [];
  let longest = 0;
  const admittedPerSecond = async (stormPerSecond: number) => {
    const round = { admitted: 0, refused: 0 };
    const over = performance.now() + ROUND_MS;
    const other = async () => {
      const request = sipCall(next++, next % USERS);
      await mustAdmit(store, request);
      if (performance.now() < over) round.admitted += 1;
      await mustEnd(store, request);
    };
    const storm = async () => {
      await mustRefuse(store, stormCall(next++));
      if (performance.now() < over) round.refused += 1;
    };
    await Promise.all([paced(OTHERS_PER_SECOND, over, other), paced(stormPerSecond, over, storm)]);
    if (stormPerSecond > 0) refused.push(round.refused / (ROUND_MS / 1_000));
    longest = Math.max(longest, await client.xlen(shardKeys(TENANT, 0).rejections));
    return round.admitted / (ROUND_MS / 1_000);
  };
  context.progress(`${ROUNDS} rounds with and without the storm`);
  const figures = await alternate(ROUNDS, {
    storm: () => admittedPerSecond(STORM_PER_SECOND),
    calm: () => admittedPerSecond(0),
  });
  const alone = { baseline: null, ratio: null };
  return [
    {
      name: 'limits.storm',
      unit: `admissions of others per second, of ${OTHERS_PER_SECOND} offered`,
      ...compare(figures.storm, figures.calm),
      target: { of: 'ratio', is: 'at least', bound: 0.5 },
    },
    { name: 'limits.storm/refused', unit: 'refusals per second', value: median(refused), ...alone },
    {
      name: 'limits.storm/rejections',
      unit: 'entries of the stream of refusals that history would read, at most',
      value: longest,
      ...alone,
    },
  ];
}

/** Begins so many calls a second, whether or not those before have ended; resolves when all have. */
async function paced(perSecond: number, until: number, call: () => Promise<void>): Promise<void> {
  const calls: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let begun = 0; performance.now() < until; await delay(TICK_MS)) {
    const wanted = ((performance.now() - startedAt) * perSecond) / 1_000;
    for (; begun < wanted; begun++) calls.push(call());
  }
  await Promise.all(calls);
}

async function mustRefuse(store: SessionStore, request: AdmissionRequest): Promise<void> {
  const { decision } = await store.admit(TENANT, request);
  if (decision.kind !== 'rejected') throw new Error(`A call on the full trunk was ${decision.kind}`);
}

function stormCall(index: number): AdmissionRequest {
  return { ...sipCall(index, index % USERS), groups: ['trunk:west'] };
}
