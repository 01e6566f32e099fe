import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { DAY_MS } from '#basics';
import { startRedis, type RedisServer } from '#testing';
import type { Redis } from 'ioredis';
import { shardKeys, tenantKeys, type TenantRef } from '../src/keys.js';
import type { AdmissionRequest, Admitted } from '../src/model/decision.js';
import { SessionStore } from '../src/session-store.js';
import { strict } from './strict-client.js';

export const tenant: TenantRef = { name: 'default', shards: 1 };
export const keys = shardKeys(tenant, 0);

/** A request of alice's with everything said; override what the claim is about. */
export function request(sessionId: string, overrides: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    sessionId,
    attempt: 1,
    user: 'alice',
    node: 'b2bua-1',
    epoch: 1_763_700_000_000,
    state: 'active',
    priority: 'normal',
    groups: [],
    facts: {
      from: '"Alice" <sip:alice@example.com>;tag=19',
      to: 'sip:bob@example.com',
      sourceIp: '192.0.2.10',
      sourcePort: 5060,
      destination: '198.51.100.7:5060',
      protocol: 'sip',
      direction: 'inbound',
      correlationId: null,
      metadata: { userAgent: 'Zoë/1' },
    },
    policy: { idleMs: 0, maxDurationMs: DAY_MS, reservationMs: 180_000 },
    ...overrides,
  };
}

/** A clock that a test moves. */
export class TestClock {
  nowMs = 1_800_000_000_000;

  advance(ms: number): void {
    this.nowMs += ms;
  }
}

export interface Books {
  redis: Redis;
  store: SessionStore;
  clock: TestClock;
}

/** A real Redis of the suite's own, and for each test an empty store whose scripts check that they read before they write. */
export async function startBooks(): Promise<{ server: RedisServer; open: () => Promise<Books> }> {
  const server = await startRedis();
  const redis = strict(server.client());
  return {
    server,
    async open() {
      await redis.flushall();
      const clock = new TestClock();
      const store = new SessionStore({
        client: redis,
        deadlineMs: 60_000,
        tombstoneMs: 60_000,
        clockMs: () => clock.nowMs,
      });
      return { redis, store, clock };
    },
  };
}

/** What a script is called with, of the only shard of these books. */
export function shardContext({ redis, clock }: Books) {
  return { client: redis, tenant: tenant.name, shards: 1, shard: 0, clockMs: () => clock.nowMs, deadlineMs: 60_000 };
}

/** Admits and insists that it was admitted. */
export async function admitted(store: SessionStore, wanted: AdmissionRequest): Promise<Admitted> {
  const { decision } = await store.admit(tenant, wanted);
  if (decision.kind !== 'admitted') throw new Error(`${wanted.sessionId} was not admitted but ${decision.kind}`);
  return decision;
}

/** The entries of a stream about sessions as plain objects, oldest first: without those about limits. */
export async function streamOf(redis: Redis, key: string): Promise<Record<string, string>[]> {
  const entries = await redis.xrange(key, '-', '+');
  return entries.map(([, flat]) => fieldsOf(flat)).filter(({ type }) => type !== 'limit.changed');
}

/** The fields of an entry of a stream. */
export function fieldsOf(flat: string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
}

/** Every key but those that outlive all sessions by design. */
export async function sessionKeys(redis: Redis): Promise<string[]> {
  const lasting = new Set([
    keys.nodes,
    keys.runs,
    keys.pulse,
    keys.limits,
    keys.events,
    keys.rejections,
    tenantKeys('default').limitsDocument,
  ]);
  return (await redis.keys('*')).filter((key) => !lasting.has(key));
}

/** For a suite: a Redis of its own; `open` empties it and gives a store on it, as often as a property wants one. */
export function useOpenBooks(): { open: () => Promise<Books> } {
  let opened: Awaited<ReturnType<typeof startBooks>>;
  beforeAll(async () => {
    opened = await startBooks();
  });
  afterAll(async () => {
    await opened.server.stop();
  });
  return { open: () => opened.open() };
}

/** For a suite: a Redis of its own, and for each test an empty store on it. What is returned is filled before each test. */
export function useBooks(): Books & { server: RedisServer } {
  const held = {} as Books & { server: RedisServer };
  let open: () => Promise<Books>;
  beforeAll(async () => {
    ({ server: held.server, open } = await startBooks());
  });
  beforeEach(async () => {
    Object.assign(held, await open());
  });
  afterAll(async () => {
    await held.server.stop();
  });
  return held;
}
