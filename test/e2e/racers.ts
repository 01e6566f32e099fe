import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

import type { StoreClient } from '#session-core';
import { endedAfterEach, startBerth, startRedis, startRedisCluster, type Berth, type BerthOptions } from '#testing';

const WORKER = resolve('test/e2e/race-worker.mjs');
const WORKERS = 8;
const run = promisify(execFile);

/** Far beyond what a busy machine needs: here a 503 would only hide what is counted. */
export const PATIENT = 'store: { decision_deadline_ms: 20000 }';

/** An answer that came so often. What only this session is under is named `*`; `broken` is a connection that broke before its answer. */
export interface RacedAnswer {
  status: number | 'broken';
  policyVersion: number;
  limits: [scope: string, key: string, max: number][];
  times: number;
}

export interface Report {
  answers: RacedAnswer[];
  /** The ids of the sessions that were admitted and not ended. */
  live: string[];
}

export interface Race {
  /** Begins every session id. */
  prefix?: string;
  /** Asked in turn; `*` in a user or a group stands for a name of the request alone. */
  bodies: object[];
  requests: number;
  /** Ends what was admitted with this probability, so that slots change hands. */
  churn?: number;
}

/** Lets eight processes ask these gateways at the same moment, each its own share; returns what they were answered. */
export async function race(urls: string[], { prefix = 'racer', bodies, requests, churn = 0 }: Race): Promise<Report> {
  const startAt = Date.now() + 1_000;
  const reports = await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      const own = { requests: requests / WORKERS, prefix: `${prefix}-${worker}` };
      const share = { startAt, urls, bodies, inFlight: 16, churn, ...own };
      const { stdout } = await run(process.execPath, [WORKER, JSON.stringify(share)], {
        env: { ...process.env, NODE_OPTIONS: '' },
        maxBuffer: 16 * 1024 * 1024,
      });
      return JSON.parse(stdout) as Report;
    }),
  );
  return { answers: reports.flatMap(({ answers }) => answers), live: reports.flatMap(({ live }) => live).toSorted() };
}

/** How often the answer had this status. */
export const timesOf = (answers: readonly RacedAnswer[], status: RacedAnswer['status']): number =>
  answers.filter((answer) => answer.status === status).reduce((sum, { times }) => sum + times, 0);

/** The Redis of a race. */
export interface RaceRedis {
  url: string;
  client: () => StoreClient;
  stop: () => Promise<void>;
}

export async function oneRedis(): Promise<RaceRedis> {
  const redis = await startRedis();
  return { url: redis.url, client: () => redis.client() as StoreClient, stop: () => redis.stop() };
}

export async function threeMasters(): Promise<RaceRedis> {
  const nodes = await startRedisCluster();
  return { url: nodes.url, client: () => nodes.client(), stop: () => nodes.stop() };
}

/** For a suite: starts a Redis and a Berth on it; after the test Berth is stopped, then Redis. */
export function onRaces() {
  const berths = endedAfterEach<Berth>((berth) => berth.stop());
  const redises = endedAfterEach<RaceRedis>((redis) => redis.stop());
  return async (startOne: () => Promise<RaceRedis>, options: Omit<BerthOptions, 'redisUrl'>) => {
    const redis = await startOne();
    redises.push(redis);
    const berth = await startBerth({ redisUrl: redis.url, ...options });
    berths.push(berth);
    return { redis, berth, urls: berth.gateways.map(({ url }) => url) };
  };
}
