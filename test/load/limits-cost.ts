import type { AdmissionRequest, SessionStore } from '#session-core';

import type { BenchContext } from './bench-context.js';
import { forEachInFlight } from './in-flight.js';
import type { Measurement } from './measurement.js';
import { preferRedis } from './prefer-redis.js';
import { scriptMicroseconds } from './redis-figures.js';
import { alternate, compare } from './rounds.js';
import { mustAdmit, mustEnd, sipCall, TENANT, openBooks } from './sessions.js';

const LIVE = 10_000;
const USERS = 10_000;
const ROUNDS = 61;
const CALLS = 256;

/** Redis time of an admission under three limits (user, group, total) and of a refusal, next to an admission under one. */
export async function limitsCost(context: BenchContext): Promise<Measurement[]> {
  const one = await booksWithLimits(context, {});
  const three = await booksWithLimits(context, {
    maxTotalSessions: 1_000_000,
    groups: { trunk: { default: 500_000 } },
  });
  const full = await booksWithLimits(context, { maxTotalSessions: 1_000_000, groups: { trunk: { default: 1 } } });
  await mustAdmit(full.store, withTrunk(sipCall(LIVE * 10, 0)));

  context.progress(`${ROUNDS} rounds of ${CALLS} calls`);
  const times = await alternate(ROUNDS, {
    one: async (round) => await admitAll(one, requestsOf(round)),
    three: async (round) => await admitAll(three, requestsOf(round).map(withTrunk)),
    refused: async (round) => await refuseAll(full, requestsOf(round).map(withTrunk)),
  });
  return [
    {
      name: 'limits.cost/three',
      unit: 'µs of Redis per admission under three limits',
      ...compare(times.three, times.one),
      target: { of: 'ratio', is: 'at most', bound: 1.5 },
    },
    {
      name: 'limits.cost/refusal',
      unit: 'µs of Redis per refusal',
      ...compare(times.refused, times.three),
      target: { of: 'ratio', is: 'at most', bound: 1 },
    },
  ];
}

interface LimitedBooks {
  store: SessionStore;
  redisMicroseconds: (call: () => Promise<unknown>) => Promise<number>;
}

async function booksWithLimits(
  context: BenchContext,
  limits: Parameters<Parameters<SessionStore['limits']['change']>[1]>[0],
): Promise<LimitedBooks> {
  const { server, client, store } = await openBooks(context);
  preferRedis(context, server.pid);
  await store.limits.change(TENANT, (api) => ({ ...api, ...limits }));
  await forEachInFlight(LIVE, 256, (index) => mustAdmit(store, sipCall(index, index % USERS)));
  const redisMicroseconds = async (call: () => Promise<unknown>) => {
    await client.config('RESETSTAT');
    await call();
    return await scriptMicroseconds(client);
  };
  return { store, redisMicroseconds };
}

async function admitAll({ store, redisMicroseconds }: LimitedBooks, requests: AdmissionRequest[]): Promise<number> {
  const time = await redisMicroseconds(() => Promise.all(requests.map((request) => mustAdmit(store, request))));
  await Promise.all(requests.map((request) => mustEnd(store, request)));
  return time;
}

async function refuseAll({ store, redisMicroseconds }: LimitedBooks, requests: AdmissionRequest[]): Promise<number> {
  return await redisMicroseconds(() =>
    Promise.all(
      requests.map(async (request) => {
        const { decision } = await store.admit(TENANT, request);
        if (decision.kind !== 'rejected') throw new Error(`${request.sessionId} was ${decision.kind}`);
      }),
    ),
  );
}

function withTrunk(request: AdmissionRequest): AdmissionRequest {
  return { ...request, groups: ['trunk:west'] };
}

function requestsOf(round: number): AdmissionRequest[] {
  return Array.from({ length: CALLS }, (_, index) => {
    const number = LIVE + round * CALLS + index;
    return sipCall(number, number % USERS);
  });
}
