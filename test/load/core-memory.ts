import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';

import type { BenchContext } from './bench-context.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { memoryOf, settledMemory } from './redis-figures.js';
import { plainRecord } from './plain-record.js';
import { mustAdmit, sipCall, TENANT, type BenchBooks } from './sessions.js';

const SESSIONS = 100_000;
const USERS = 50_000;
const SAMPLE = 2_000;

/** Bytes of Redis per live session, streams apart, and which keys they are in. */
export async function coreMemory(context: BenchContext, { client, store }: BenchBooks): Promise<Measurement[]> {
  // The first admission loads the script and makes the keys that are there once per shard.
  await mustAdmit(store, sipCall(0, 0));
  const before = await settledMemory(client);
  context.progress(`${SESSIONS} sessions of ${USERS} users`);
  await forEachInFlight(SESSIONS, 256, (index) => mustAdmit(store, sipCall(index + 1, (index + 1) % USERS)));
  const withStreams = await settledMemory(client);
  const { events, rejections } = shardKeys(TENANT, 0);
  const entries = await client.xlen(events);
  await client.del(events, rejections);
  const after = await settledMemory(client);

  const perSession = (after - before) / SESSIONS;
  const plain = await plainMemory(context);
  const shares = await sharesOf(client);
  const named = Object.values(shares).reduce((sum, bytes) => sum + bytes, 0);
  const line = (name: string, value: number, unit = 'bytes'): Measurement => {
    return { name: `core.memory/${name}`, value, unit, baseline: null, ratio: null };
  };
  return [
    {
      name: 'core.memory',
      value: perSession,
      unit: 'bytes per live session',
      baseline: plain,
      ratio: perSession / plain,
      target: { of: 'value', is: 'at most', bound: 700 },
    },
    ...Object.entries(shares).map(([kind, bytes]) => line(kind, bytes)),
    line('tables of keys and the rest', perSession - named),
    line('events, apart', (withStreams - after) / entries, 'bytes per event'),
  ];
}

/** The same sessions kept the plain way: the record as JSON, the same three indices, no list of users. */
async function plainMemory(context: BenchContext): Promise<number> {
  const client = (await context.redis()).client({ enableOfflineQueue: true });
  const keys = shardKeys(TENANT, 0);
  const before = await settledMemory(client);
  context.progress(`${SESSIONS} sessions as plain JSON`);
  await forEachInFlight(SESSIONS, 256, async (index) => {
    const call = sipCall(index + 1, (index + 1) % USERS);
    const { id, startedAt, endsBy } = plainRecord(call);
    await Promise.all([
      client.set(keys.session(id), JSON.stringify(plainRecord(call))),
      client.zadd(keys.userSessions(call.user), Date.parse(startedAt), id),
      client.zadd(keys.deadlines, Date.parse(endsBy), id),
      client.sadd(keys.nodeSessions(call.node ?? '', call.epoch ?? 0), id),
    ]);
  });
  return ((await settledMemory(client)) - before) / SESSIONS;
}

/** Bytes per session in each kind of key. Keys of their own per session or user are sampled, the shared ones counted whole. */
async function sharesOf(client: Redis): Promise<Record<string, number>> {
  const keys = shardKeys(TENANT, 0);
  const sampled = Array.from({ length: SAMPLE }, (_, at) => sipCall(at * Math.floor(SESSIONS / SAMPLE), 0).sessionId);
  const users = Array.from({ length: SAMPLE }, (_, at) => sipCall(0, at * Math.floor(USERS / SAMPLE)).user);
  const nodes = new Set(sampled.map((_, index) => sipCall(index, 0)).map(({ node, epoch }) => `${node}:${epoch}`));
  const nodeKeys = [...nodes].map((node) => `${keys.prefix}node_sessions:${node}`);
  return {
    session: (await total(client, sampled.map(keys.session))) / SAMPLE,
    user_sessions: ((await total(client, users.map(keys.userSessions))) / SAMPLE) * (USERS / SESSIONS),
    node_sessions: (await total(client, nodeKeys)) / SESSIONS,
    deadlines: (await memoryOf(client, keys.deadlines)) / SESSIONS,
    users: (await memoryOf(client, keys.users)) / SESSIONS,
  };
}

async function total(client: Redis, keys: string[]): Promise<number> {
  const sizes = await Promise.all(keys.map((key) => memoryOf(client, key)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
