import { setTimeout as delay } from 'node:timers/promises';

import { loadConfig } from '#config';
import { NodesStore, Pulses, shardKeys } from '#session-core';
import { startBerth } from '#testing';

import type { BenchContext } from './bench-context.js';
import { ExpiryWatch } from './expiry-watch.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { preferRedis } from './prefer-redis.js';
import { percentile } from './rounds.js';
import { mustAdmit, sipCall, TENANT, type BenchBooks } from './sessions.js';

const SESSIONS = 50_000;
const USERS = 50_000;
const NODE = 'b2bua-killed';
const EPOCH = 1_763_700_000_000;
const GRACE_MS = 60_000;
const { nodes: POLICY } = loadConfig({ env: {}, cwd: '/' });

/** How soon the places of a node with 50,000 sessions are free after its last beat, and for how long Redis is held for it. */
export async function nodeLoss(context: BenchContext, { server, client, store }: BenchBooks): Promise<Measurement[]> {
  preferRedis(context, server.pid);
  const nodes = new NodesStore({
    client: server.client(),
    deadlineMs: 30_000,
    tombstoneMs: 60_000,
    policy: POLICY,
  });
  const pulses = new Pulses({ client: server.client(), graceMs: POLICY.leaseMs, staleAfterMs: POLICY.leaseMs / 3 });
  const gateway = setInterval(() => void pulses.open(TENANT).catch(() => undefined), 1_000);
  context.atEnd(() => Promise.resolve(clearInterval(gateway)));

  const beat = async () => await nodes.beat(TENANT, { node: NODE, epoch: EPOCH, via: 'http' });
  await beat();
  context.progress(`${SESSIONS} sessions of one node`);
  await forEachInFlight(SESSIONS, 256, async (index) => {
    await mustAdmit(store, { ...sipCall(index, index % USERS), node: NODE, epoch: EPOCH });
  });
  const berth = await startBerth({ redisUrl: server.url, apps: ['session-reaper'] });
  context.atEnd(() => berth.stop());
  // A reaper that has just come gives every node a whole lease.
  for (let passed = 0; passed < POLICY.leaseMs + 5_000; passed += 5_000) {
    await beat();
    await delay(5_000);
  }
  const watch = await ExpiryWatch.start(client, Date.now());
  await beat();
  const lastBeatMs = Date.now();
  context.progress('the node is killed');
  const keys = shardKeys(TENANT, 0);
  while ((await client.zcard(keys.deadlines)) > 0) {
    if (Date.now() - lastBeatMs > POLICY.leaseMs + GRACE_MS) throw new Error('The places were not freed');
    await delay(50);
  }
  const afterLeaseMs = Date.now() - lastBeatMs - POLICY.leaseMs;
  const { callsMs } = await watch.stop();
  const line = (part: string, value: number, unit: string): Measurement => {
    return { name: `node.loss${part}`, value, unit, baseline: null, ratio: null };
  };
  return [
    {
      ...line('', afterLeaseMs, `ms after the lease until all ${SESSIONS} slots are free`),
      target: { of: 'value', is: 'at most', bound: 5_000 },
    },
    {
      ...line('/longest call', percentile(callsMs, 1), 'ms in one script, by the clock'),
      target: { of: 'value', is: 'at most', bound: 5 },
    },
    line('/p50 call', percentile(callsMs, 0.5), `ms of Redis, of ${callsMs.length} calls above 0.2 ms`),
  ];
}
