import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, expect, it } from '@jest/globals';

import { shardKeys, shardOf, type StoreClient } from '#session-core';
import {
  describeWith,
  eventually,
  startBerth,
  startRedis,
  startRedisCluster,
  type Berth,
  type BerthOptions,
} from '#testing';

const WORKER = resolve('test/e2e/race-worker.mjs');
const WORKERS = 8;
const LIMIT = 100;

interface Task {
  users: string[];
  requests: number;
  churn?: number;
  body?: object;
}

interface Report {
  statuses: Record<string, number>;
  aboard: string[];
}

interface Books {
  url: string;
  client: StoreClient;
  stop(): Promise<void>;
}

const run = promisify(execFile);

/** Lets all workers ask at the same moment, each its own share; returns what they were told, summed. */
async function race(urls: string[], { users, requests, churn = 0, body = {} }: Task): Promise<Report> {
  const startAt = Date.now() + 1_000;
  const reports = await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      const share = {
        startAt,
        urls,
        users,
        requests: requests / WORKERS,
        inFlight: 16,
        churn,
        body,
        prefix: `w${worker}`,
      };
      const { stdout } = await run(process.execPath, [WORKER, JSON.stringify(share)], {
        env: { ...process.env, NODE_OPTIONS: '' },
        maxBuffer: 16 * 1024 * 1024,
      });
      return JSON.parse(stdout) as Report;
    }),
  );
  const statuses: Record<string, number> = {};
  for (const report of reports) {
    for (const [status, count] of Object.entries(report.statuses)) statuses[status] = (statuses[status] ?? 0) + count;
  }
  return { statuses, aboard: reports.flatMap(({ aboard }) => aboard).toSorted() };
}

async function standalone(): Promise<Books> {
  const redis = await startRedis();
  return { url: redis.url, client: redis.client() as StoreClient, stop: () => redis.stop() };
}

async function cluster(): Promise<Books> {
  const nodes = await startRedisCluster();
  return { url: nodes.url, client: nodes.client() as StoreClient, stop: () => nodes.stop() };
}

/** Far beyond what a busy machine needs: here a 503 would only hide what is counted. */
const PATIENT = 'store: { decision_deadline_ms: 20000 }';

const KINDS = [
  { kind: 'one Redis', start: standalone, shards: 1, users: ['alice'] },
  { kind: 'a cluster of three', start: cluster, shards: 3, users: ['alice', 'bob', 'carol', 'dave', 'erin'] },
];

let books: Books | undefined;
let berth: Berth | undefined;

beforeEach(() => {
  books = undefined;
  berth = undefined;
});

afterEach(async () => {
  await berth?.stop();
  await books?.stop();
});

async function start(kind: (typeof KINDS)[number], options: Omit<BerthOptions, 'redisUrl'>) {
  books = await kind.start();
  berth = await startBerth({ redisUrl: books.url, ...options });
  const tenant = { name: 'default', shards: kind.shards };
  const { client } = books;
  const keysOf = (user: string) => shardKeys(tenant, shardOf(tenant, user));
  return {
    urls: berth.gateways.map(({ url }) => url),
    berth,
    /** The ids aboard. */
    aboard: async () => {
      const ids = await Promise.all(
        kind.users.map((user) => client.zrange(keysOf(user).userSessions(user), '0', '-1')),
      );
      return ids.flat().toSorted();
    },
    /** The highest count of one user that any admission ever led to: written in the same script as its effect. */
    highest: async () => {
      const events = await Promise.all(
        [...new Set(kind.users.map((user) => keysOf(user).events))].map((key) => client.xrange(key, '-', '+')),
      );
      const counts = events.flat().flatMap(([, fields]) => {
        const at = fields.indexOf('userActive');
        return at === -1 ? [] : [Number(fields[at + 1])];
      });
      return Math.max(...counts);
    },
    /** Whether any trace of a live session is left in the indices. */
    isEmpty: async () => {
      const leftovers = await Promise.all(
        kind.users.map(async (user) => {
          const { userSessions, deadlines, users } = keysOf(user);
          return await Promise.all([client.zcard(userSessions(user)), client.zcard(deadlines), client.zcard(users)]);
        }),
      );
      return leftovers.flat().every((count) => count === 0);
    },
  };
}

describeWith(['redis-server'], 'racing processes', () => {
  it.each(KINDS)(
    'get exactly as many places as the limit has, on $kind',
    async (kind) => {
      const configYaml = `${PATIENT}\nlimits: { max_sessions_per_user: ${LIMIT} }\ntenants: { default: { shards: ${kind.shards} } }`;
      const { urls, aboard, highest } = await start(kind, { apps: ['admission-gateway'], gateways: 2, configYaml });
      const places = LIMIT * kind.users.length;

      const told = await race(urls, { users: kind.users, requests: 10_000 });

      expect(told.statuses).toEqual({ 201: places, 429: 10_000 - places });
      expect(told.aboard).toEqual(await aboard());
      expect(await highest()).toBe(LIMIT);
    },
    120_000,
  );

  it.each(KINDS)(
    'never hold more than the limit while places change hands, on $kind',
    async (kind) => {
      const configYaml = `${PATIENT}\nlimits: { max_sessions_per_user: 7 }\ntenants: { default: { shards: ${kind.shards} } }`;
      const { urls, aboard, highest } = await start(kind, { apps: ['admission-gateway'], gateways: 2, configYaml });

      const told = await race(urls, { users: kind.users, requests: 4_000, churn: 0.99 });

      expect(Object.keys(told.statuses).toSorted()).toEqual(['201', '429']);
      expect(told.aboard).toEqual(await aboard());
      expect(await highest()).toBe(7);
    },
    120_000,
  );
});

describeWith(['redis-server'], 'a gateway that is killed under load', () => {
  it.each(KINDS)(
    'leaves nothing behind once the deadlines have passed, on $kind',
    async (kind) => {
      const configYaml = `
limits: { max_sessions_per_user: 0 }
sessions: { sip: { session_timeout: 3, reservation: 2 }, tombstone: 1 }
tenants: { default: { shards: ${kind.shards} } }
`;
      const apps = ['admission-gateway', 'session-reaper'] as const;
      const { urls, isEmpty, berth: running } = await start(kind, { apps: [...apps], gateways: 2, configYaml });
      const [victim] = running.gateways;

      const racing = race(urls, {
        users: kind.users,
        requests: 8_000,
        churn: 0.5,
        body: { state: 'reserved', node: 'n1', epoch: 1 },
      });
      await eventually(async () => !(await isEmpty()), { what: 'sessions to be aboard' });
      await victim?.process.kill();
      const told = await racing;

      expect(told.statuses['201']).toBeGreaterThan(0);
      expect(told.statuses['broken']).toBeGreaterThan(0);
      await eventually(isEmpty, { what: 'every place to be free' });
    },
    120_000,
  );
});
