import Bottleneck from 'bottleneck';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { Semaphore } from 'redis-semaphore';

import type { RedisServer } from '#testing';

import type { BenchContext } from './bench-context.js';
import { ratePerSecond } from './in-flight.js';
import type { Measurement, Target } from './measurement.js';
import { alternate, compare } from './rounds.js';
import { mustAdmit, mustEnd, openStore, sipCall, userName } from './sessions.js';

const IN_FLIGHT = 256;
const ROUNDS = 7;
/** Different numbers, so that the turns take about equally long and meet the same weather. */
const PAIRS = 5_000;
const PEER_PAIRS = 16_000;
const BOTTLENECK_JOBS = 1_000;
/** So many that nobody is ever refused. */
const USERS = 4_000;
const NO_LIMIT = 1_000_000;
const LEASE_MS = 60_000;

const TARGETS: Record<string, Target> = {
  'redis-semaphore': { of: 'ratio', is: 'at least', bound: 0.5 },
  bottleneck: { of: 'ratio', is: 'above', bound: 5 },
};

/** Admissions with their ends per second of one process, next to what the peers call a pair. */
export async function coreAdmitEnd(context: BenchContext): Promise<Measurement[]> {
  const server = await context.redis();
  const berth = await berthPairs(server);
  const semaphore = semaphorePairs(server);
  const limiter = limiterConsumes(server);
  const bottleneck = await bottleneckJobs(server);
  context.atEnd(bottleneck.close);

  context.progress(`${ROUNDS} rounds at ${IN_FLIGHT} in flight`);
  const { berth: own, ...peers } = await alternate(ROUNDS, {
    berth,
    'redis-semaphore': semaphore,
    'rate-limiter-flexible': limiter,
    bottleneck: bottleneck.jobs,
  });
  return Object.entries(peers).map(([name, figures]) => {
    const target = TARGETS[name];
    const line = { name: `core.admit-end/${name}`, unit: 'pairs/s', ...compare(own, figures) };
    return target === undefined ? line : { ...line, target };
  });
}

/** A pair: the session is admitted, then its node ends it. */
async function berthPairs(server: RedisServer) {
  const store = await openStore(server);
  return async (round: number) => {
    const calls = Array.from({ length: PAIRS }, (_, index) => sipCall(round * PAIRS + index, index % USERS));
    return await ratePerSecond(PAIRS, IN_FLIGHT, async (index) => {
      const call = calls[index] ?? sipCall(index, index);
      await mustAdmit(store, call);
      await mustEnd(store, call);
    });
  };
}

/** A pair: one of the user's places is acquired, then released; without the timer that would renew a lease held for long. */
function semaphorePairs(server: RedisServer) {
  const client = server.client();
  return async () =>
    await ratePerSecond(PEER_PAIRS, IN_FLIGHT, async (index) => {
      const place = new Semaphore(client, userName(index % USERS), NO_LIMIT, {
        lockTimeout: LEASE_MS,
        refreshInterval: 0,
      });
      await place.acquire();
      await place.release();
    });
}

/** A counter with an expiry has no end to report: one consume stands for a pair. */
function limiterConsumes(server: RedisServer) {
  const limiter = new RateLimiterRedis({
    storeClient: server.client(),
    points: NO_LIMIT,
    duration: LEASE_MS / 1000,
  });
  return async () =>
    await ratePerSecond(PEER_PAIRS, IN_FLIGHT, async (index) => await limiter.consume(userName(index % USERS)));
}

/** A pair: an empty job, admitted and done, by a limiter that is shared through Redis. */
async function bottleneckJobs(server: RedisServer) {
  const limiter = new Bottleneck({
    id: 'bench',
    datastore: 'ioredis',
    Redis,
    clientOptions: { host: server.host, port: server.port },
    maxConcurrent: NO_LIMIT,
    clearDatastore: true,
  });
  await limiter.ready();
  return {
    jobs: async () =>
      await ratePerSecond(BOTTLENECK_JOBS, IN_FLIGHT, async () => await limiter.schedule(() => Promise.resolve())),
    close: () => limiter.disconnect(false),
  };
}
