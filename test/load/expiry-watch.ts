import { setTimeout as delay } from 'node:timers/promises';

import type { Redis } from 'ioredis';

import { allShardScripts, QUEUE_PREFIX } from '#session-core';

const LOOK_EVERY_MS = 100;
/**
 * What the slow log writes down, microseconds: the sweeps that find something to end, but not the commands inside them, each of
 * which would be an entry too and would make the sweep longer.
 */
const NOTICED_US = 200;
/** More than a minute of expiry brings: the slow log forgets none. */
const ENTRIES = 100_000;

/** Watches Redis while sessions expire: how long each script call took, and how many jobs BullMQ holds. */
export class ExpiryWatch {
  private readonly stopped = new AbortController();
  private mostJobs = 0;
  private readonly looking: Promise<void>;

  private constructor(
    private readonly client: Redis,
    private readonly queues: readonly string[],
  ) {
    this.looking = this.look();
  }

  /** Begins at a moment in time. Fails if no queue is there by then. */
  static async start(client: Redis, atMs: number): Promise<ExpiryWatch> {
    await delay(Math.max(0, atMs - Date.now()));
    await client.config('SET', 'slowlog-log-slower-than', NOTICED_US, 'slowlog-max-len', ENTRIES);
    await client.call('SLOWLOG', 'RESET');
    const queues = await findQueues(client);
    if (queues.length === 0) throw new Error('The reaper has no queue in Redis');
    return new ExpiryWatch(client, queues);
  }

  async stop(): Promise<{ mostJobs: number; callsMs: number[] }> {
    this.stopped.abort();
    await this.looking;
    return { mostJobs: this.mostJobs, callsMs: await scriptCallsMs(this.client) };
  }

  private async look(): Promise<void> {
    while (!this.stopped.signal.aborted) {
      this.mostJobs = Math.max(this.mostJobs, await jobsIn(this.client, this.queues));
      await delay(LOOK_EVERY_MS);
    }
  }
}

/** Every BullMQ queue has a key `prefix:name:meta`. */
async function findQueues(client: Redis): Promise<string[]> {
  const found = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', `${QUEUE_PREFIX}:*:meta`, 'COUNT', 1_000);
    for (const key of keys) found.add(key.slice(0, -'meta'.length));
    cursor = next;
  } while (cursor !== '0');
  return [...found];
}

/** Jobs in any state: waiting, being worked on, delayed, and kept after they were done. */
async function jobsIn(client: Redis, queues: readonly string[]): Promise<number> {
  const counts = await Promise.all(
    queues.flatMap((queue) => [
      ...['wait', 'active', 'paused'].map((list) => client.llen(queue + list)),
      ...['delayed', 'prioritized', 'completed', 'failed'].map((zset) => client.zcard(queue + zset)),
    ]),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** How long the calls of scripts of the books took that the slow log noticed. */
async function scriptCallsMs(client: Redis): Promise<number[]> {
  const ours = new Set([...allShardScripts().values()].map(({ sha }) => sha));
  const entries = (await client.call('SLOWLOG', 'GET', '-1')) as [number, number, number, string[]][];
  return entries.flatMap(([, , us, [, sha = '']]) => (ours.has(sha) ? [us / 1_000] : []));
}
