import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

import type { Connect } from './connection.js';
import { InvalidOptionsError } from './errors.js';
import { groupsKey } from './keys.js';
import type { StreamsObserver } from './observer.js';

export interface StreamsServerOptions {
  /** Opens a connection. Called once for commands and once for each read loop, because a blocking read needs one of its own. */
  connect: Connect;
  /** What to read. On a Redis Cluster each hash tag has a read loop of its own; elsewhere one loop reads all. */
  streams: readonly string[];
  /** The consumer group, the same in all processes that share the work. */
  group: string;
  /** Unique per process; host, process id and a random part by default. */
  consumer?: string;
  /** Entries of one stream that are read at once, and that wait for a retry at most before reading stops; 100 by default. */
  batch?: number;
  /** How many calls of handlers run at once in a read loop; 16 by default. */
  concurrency?: number;
  /** How long an empty read waits at the server, and so the shortest notice of a stop; 1,000 ms by default. */
  blockMs?: number;
  /** A consumer that has not been heard of for so long is dead: its pending entries are taken over; 30,000 ms by default. */
  claimIdleMs?: number;
  /** The first pause before an entry that failed comes again; doubled while failures go on, at most half of `claimIdleMs`. 500 ms by default. */
  retryMs?: number;
  /** An entry that was delivered so often and is still not done goes to the dead-letter stream; 8 by default. */
  maxDeliveries?: number;
  /** Where events go that cannot be applied; by their fields, where they go to several streams. */
  deadLetterStream: string | ((fields: Readonly<Record<string, string>>) => string);
  /** The approximate bound of each; 100,000 entries by default. */
  deadLetterMaxLength?: number;
  /** How long `close` waits for what is in hand; 10,000 ms by default. What is not done by then stays pending. */
  drainMs?: number;
  observer?: Partial<StreamsObserver>;
}

export type ResolvedOptions = Required<StreamsServerOptions>;

/** Fills in the defaults. Throws `InvalidOptionsError`. */
export function resolveOptions(given: StreamsServerOptions): ResolvedOptions {
  const options: ResolvedOptions = {
    consumer: `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`,
    batch: 100,
    concurrency: 16,
    blockMs: 1_000,
    claimIdleMs: 30_000,
    retryMs: 500,
    maxDeliveries: 8,
    deadLetterMaxLength: 100_000,
    drainMs: 10_000,
    observer: {},
    ...given,
  };
  for (const name of [
    'batch',
    'concurrency',
    'blockMs',
    'claimIdleMs',
    'maxDeliveries',
    'deadLetterMaxLength',
  ] as const) {
    if (!(Number.isInteger(options[name]) && options[name] >= 1)) {
      throw new InvalidOptionsError(`${name} must be an integer of at least 1`);
    }
  }
  for (const name of ['retryMs', 'drainMs'] as const) {
    if (!(options[name] >= 0)) throw new InvalidOptionsError(`${name} must be at least 0`);
  }
  for (const name of ['group', 'consumer', 'deadLetterStream'] as const) {
    if (options[name] === '') throw new InvalidOptionsError(`${name} is empty`);
  }
  checkStreams(options);
  return options;
}

function checkStreams({ streams, deadLetterStream }: ResolvedOptions): void {
  if (streams.length === 0) throw new InvalidOptionsError('streams is empty');
  if (new Set(streams).size < streams.length) throw new InvalidOptionsError('streams names one twice');
  if (typeof deadLetterStream === 'string' && streams.includes(deadLetterStream))
    throw new InvalidOptionsError('deadLetterStream is one of the streams that are read');
  streams.forEach(groupsKey);
}
