import pMap from 'p-map';
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { Redis } from 'ioredis';

import { SessionStore, shardKeys, type SessionPolicy, type SessionState, type StoreClient } from '#session-core';
import { startRedis, type RedisServer } from '#testing';

/** An event of the outbox, as its fields. */
export type OutboxEvent = Record<string, string>;

interface AdmissionOptions extends Partial<SessionPolicy> {
  epoch?: number;
  user?: string;
  state?: SessionState;
}

/** The books as a gateway writes them and a consumer of the outbox reads them, for one tenant without a user limit. */
export class TestBooks {
  readonly store: SessionStore;

  constructor(
    private readonly client: StoreClient,
    private readonly tenant = { name: 'default', shards: 1 },
  ) {
    this.store = new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000 });
  }

  async open(): Promise<this> {
    await this.store.limits.publishFile(this.tenant, { maxSessionsPerUser: 0 }, 'test');
    return this;
  }

  /** Admits a session; no deadline but those given. */
  async admit(
    sessionId: string,
    { user = 'alice', state = 'active', epoch = 1, ...policy }: AdmissionOptions,
  ): Promise<void> {
    const facts = {
      from: 'sip:alice@example.com',
      to: 'sip:bob@example.com',
      sourceIp: '192.0.2.10',
      sourcePort: 5060,
      destination: null,
      protocol: 'sip',
      direction: null,
      correlationId: null,
      metadata: null,
    };
    const { decision } = await this.store.admit(this.tenant, {
      sessionId,
      user,
      state,
      facts,
      attempt: 1,
      node: 'b2bua-1',
      epoch,
      priority: 'normal',
      groups: [],
      policy: { idleMs: 0, maxDurationMs: 0, reservationMs: 60_000, ...policy },
    });
    if (decision.kind !== 'admitted') throw new Error(`${sessionId} was not admitted: ${decision.kind}`);
  }

  /** Admits many, each of a user of its own; all are due `dueInMs` from now, however long the admitting takes. */
  async admitMany(count: number, dueInMs: number): Promise<void> {
    const due = performance.now() + dueInMs;
    const admit = async (_: unknown, number: number) => {
      const maxDurationMs = Math.max(1, Math.round(due - performance.now()));
      await this.admit(`call-${number}`, { user: `user-${number}`, maxDurationMs });
    };
    await pMap(Array.from({ length: count }), admit, { concurrency: 64 });
  }

  async renew(sessionId: string): Promise<string> {
    return (await this.store.renew(this.tenant, { sessionId })).kind;
  }

  /** Every `session.ended` event of every shard. */
  async ended(): Promise<OutboxEvent[]> {
    const shards = Array.from({ length: this.tenant.shards }, (_, shard) => shardKeys(this.tenant, shard).events);
    const streams = await Promise.all(shards.map((key) => this.client.xrange(key, '-', '+')));
    return streams
      .flat()
      .map(([, flat]) => Object.fromEntries(pairs(flat)))
      .filter((event) => event['type'] === 'session.ended');
  }

  /** How many sessions are live. */
  async live(): Promise<number> {
    const shards = Array.from({ length: this.tenant.shards }, (_, shard) => shardKeys(this.tenant, shard).deadlines);
    const counts = await Promise.all(shards.map((key) => this.client.zcard(key)));
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

export interface BooksSuite {
  readonly redis: RedisServer;
  readonly client: Redis;
  readonly books: TestBooks;
}

/** For a suite: a Redis of its own, and for each test empty books on it. What is returned is filled before each test. */
export function onTestBooks(begin: (suite: BooksSuite) => void = () => {}, args: string[] = []): BooksSuite {
  const held = {} as { -readonly [Part in keyof BooksSuite]: BooksSuite[Part] };
  beforeAll(async () => {
    held.redis = await startRedis({ args });
    held.client = held.redis.client();
  });
  beforeEach(async () => {
    await held.client.flushall();
    held.books = await new TestBooks(held.client).open();
    begin(held);
  });
  afterAll(() => held.redis?.stop());
  return held;
}

function pairs(flat: string[]): [string, string][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? ''] as [string, string]] : []));
}
