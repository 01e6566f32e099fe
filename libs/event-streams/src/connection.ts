import type { RedisClient } from '#basics';

import { ClosedError, messageOf, NoAnswerError } from './errors.js';

/** Opens a connection of its own; the caller closes it. */
export type Connect = () => RedisClient;

/** Far above any answer of a Redis that works, far below a person's patience. */
const ANSWER_MS = 5_000;

/**
 * One connection that outlives its clients: a client that gives no answer in time, is closed for good, or turned out to talk to a
 * replica is thrown away, and the next command opens another one.
 */
export class Connection {
  private client: RedisClient | undefined;
  private hurried = false;
  private closed = false;
  private readonly waiting = new Set<(error: Error) => void>();

  /** `onReconnect` is called when a client that had lost its connection has it again. */
  constructor(
    private readonly connect: Connect,
    private readonly onReconnect: () => void = () => {},
  ) {}

  get isCluster(): boolean {
    return this.open().isCluster;
  }

  /**
   * Runs a command once the client is ready. `blockMs` is how long the server may hold the answer back.
   *
   * Rejects with what ioredis rejects with, with `NoAnswerError`, or with `ClosedError`.
   */
  async run<T>(command: (client: RedisClient) => Promise<T>, blockMs = 0): Promise<T> {
    if (this.closed) throw new ClosedError();
    const client = this.open();
    const limitMs = ANSWER_MS + blockMs;
    const { promise: gaveUp, reject: giveUp } = deferred<never>();
    // After the sockets were read once more: where this process stood still, the answer may have come long ago.
    const timer = setTimeout(() => setImmediate(() => giveUp(new NoAnswerError(limitMs))), limitMs);
    this.waiting.add(giveUp);
    try {
      if (client.status !== 'ready') {
        if (this.hurried) throw new ClosedError();
        await whenReady(client, gaveUp);
      }
      return await Promise.race([command(client), gaveUp]);
    } catch (error) {
      if (isUseless(client, error)) this.drop(client);
      throw error;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(giveUp);
    }
  }

  /** From now on nothing waits for a connection that is not there: such commands are rejected with `ClosedError`. */
  hurry(): void {
    this.hurried = true;
    if (this.client?.status !== 'ready') for (const giveUp of this.waiting) giveUp(new ClosedError());
  }

  /** Closes at once: what waits for an answer is rejected with `ClosedError`. */
  close(): void {
    this.closed = true;
    for (const giveUp of this.waiting) giveUp(new ClosedError());
    this.client?.disconnect();
  }

  private open(): RedisClient {
    if (this.client !== undefined && this.client.status !== 'end') return this.client;
    const client = this.connect();
    // Commands report their own failures; without a listener ioredis prints each one.
    client.on('error', () => {});
    client.once('ready', () => client.on('ready', this.onReconnect));
    if (client.status === 'wait') client.connect().catch(() => {});
    this.client = client;
    return client;
  }

  private drop(client: RedisClient): void {
    if (this.client === client) this.client = undefined;
    client.disconnect();
  }
}

async function whenReady(client: RedisClient, gaveUp: Promise<never>): Promise<void> {
  const { promise, resolve, reject } = deferred<void>();
  const onReady = () => resolve();
  const onEnd = () => reject(new Error('Connection is closed.'));
  client.once('ready', onReady).once('end', onEnd);
  try {
    await Promise.race([promise, gaveUp]);
  } finally {
    client.off('ready', onReady).off('end', onEnd);
  }
}

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A client that was never ready is still trying; it is left to. */
function isUseless(client: RedisClient, error: unknown): boolean {
  if (client.status === 'end') return true;
  return client.status === 'ready' && (error instanceof NoAnswerError || messageOf(error).startsWith('READONLY'));
}
