import { randomUUID } from 'node:crypto';

import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Redis } from 'ioredis';

import { StreamsServer, type StreamEntry, type StreamsObserver, type StreamsServerOptions } from '#event-streams';
import { startRedis, type RedisServer } from '#testing';

export const GROUP = 'workers';
export const DEAD = 'dead-letters';

type Fact = Record<string, unknown>;
type Handlers = Record<string, (entry: StreamEntry) => unknown>;

/** An observer that keeps all facts. */
export class Facts {
  private readonly facts: [string, Fact][] = [];
  readonly observer = new Proxy<Partial<StreamsObserver>>(
    {},
    {
      get: (_, name) => (name === 'lag' ? undefined : (fact: Fact) => this.facts.push([String(name), fact])),
    },
  );

  of(name: keyof StreamsObserver): Fact[] {
    return this.facts.flatMap(([of, fact]) => (of === name ? [fact] : []));
  }
}

/** A running server, and the means to let it die as a killed process does. */
export interface TestServer {
  server: StreamsServer;
  facts: Facts;
  consumer: string;
  /** Its connections break and no new one opens; nothing is acknowledged, drained or taken leave of. */
  crash(): Promise<void>;
}

export type ServerOptions = Partial<StreamsServerOptions> & {
  handlers?: Handlers;
  prepare?: (server: StreamsServer) => void;
};

/** One Redis for the tests of a file, with fast options; each test uses a stream of its own. */
export class TestStreams {
  readonly client: Redis;
  stream = '';
  private readonly started: TestServer[] = [];

  constructor(readonly redis: RedisServer) {
    this.client = redis.client();
  }

  static async start(): Promise<TestStreams> {
    return new TestStreams(await startRedis());
  }

  async clear(): Promise<void> {
    await this.client.flushall();
    this.stream = `events-${randomUUID().slice(0, 8)}`;
  }

  /** Publishes events with these ids, as one type. */
  async publish(ids: readonly string[], type = 'session.ended', stream = this.stream): Promise<string[]> {
    const pipeline = this.client.pipeline();
    for (const id of ids) pipeline.xadd(stream, '*', 'v', '1', 'id', id, 'type', type);
    return ((await pipeline.exec()) ?? []).map(([, streamId]) => String(streamId));
  }

  serve({ handlers = {}, prepare, ...options }: ServerOptions = {}): TestServer {
    const facts = new Facts();
    const consumer = options.consumer ?? `c-${randomUUID().slice(0, 8)}`;
    const clients: Redis[] = [];
    let crashed = false;
    const connect = () => {
      const client = this.redis.client({ lazyConnect: crashed, retryStrategy: () => 20 });
      if (crashed) client.disconnect();
      clients.push(client);
      return client;
    };
    const server = new StreamsServer({
      connect,
      streams: [this.stream],
      group: GROUP,
      consumer,
      blockMs: 50,
      claimIdleMs: 300,
      retryMs: 10,
      maxDeliveries: 3,
      deadLetterStream: DEAD,
      drainMs: 5_000,
      observer: facts.observer,
      ...options,
    });
    for (const [type, handler] of Object.entries(handlers)) {
      server.addHandler(type, async (entry: StreamEntry) => handler(entry), true);
    }
    prepare?.(server);
    server.listen(() => {});
    const crash = async () => {
      crashed = true;
      for (const client of clients) client.disconnect();
      await server.close();
    };
    const started = { server, facts, consumer, crash };
    this.started.push(started);
    return started;
  }

  /** Leaves entries pending under a consumer's name, as one that died does. */
  async leavePending(consumer: string, count: number, stream = this.stream): Promise<void> {
    await this.client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM').catch(() => {});
    await this.client.xreadgroup('GROUP', GROUP, consumer, 'COUNT', count, 'STREAMS', stream, '>');
  }

  async consumers(stream = this.stream): Promise<{ name: string; pending: number }[]> {
    const rows = (await this.client.xinfo('CONSUMERS', stream, GROUP)) as unknown[][];
    return rows.map((row) => ({ name: String(row[1]), pending: Number(row[3]) }));
  }

  async pending(stream = this.stream): Promise<number> {
    const [count] = (await this.client.xpending(stream, GROUP)) as [number];
    return count;
  }

  async deadLetters(): Promise<Record<string, string>[]> {
    const rows = await this.client.xrange(DEAD, '-', '+');
    return rows.map(([, flat]) =>
      Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : []))),
    );
  }

  /** Closes the servers of the test. */
  async close(): Promise<void> {
    await Promise.all(this.started.splice(0).map(({ server }) => server.close()));
  }

  async stop(): Promise<void> {
    await this.close();
    await this.redis.stop();
  }
}

/** For a suite: streams on a Redis of its own, empty for each test; the servers of a test are closed after it. */
export function onTestStreams(begin: (lab: TestStreams) => void): void {
  let lab: TestStreams | undefined;
  beforeAll(async () => {
    lab = await TestStreams.start();
    begin(lab);
  });
  beforeEach(() => lab?.clear());
  afterEach(() => lab?.close());
  afterAll(() => lab?.stop());
}

export const ids = (count: number, prefix = 'e') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
