import pMap from 'p-map';

import type { EntryResult, StreamEntry } from './entry.js';
import { DeadLetterError, messageOf } from './errors.js';

/** Handles whole batches of the events of some types: one database transaction for a hundred events. */
export interface StreamBatchHandler {
  /** Or whatever has no handler of its own. */
  readonly types: readonly string[] | 'all';
  /**
   * Returns a result for each entry, in their order. When it throws, every entry is retried.
   *
   * What was delivered before comes alone, so that one bad entry cannot take others with it. To wait for something that is away
   * (a database), wait in here: entries in hand are kept, and nothing is counted against them.
   */
  handle(entries: readonly StreamEntry[]): Promise<readonly EntryResult[]>;
}

/** What handles a type: batches, or one entry, whose result is decided by what the function throws. Null where nothing does. */
export type FindHandler = (type: string) => StreamBatchHandler | ((entry: StreamEntry) => Promise<unknown>) | null;

interface Call {
  entries: StreamEntry[];
  handler: StreamBatchHandler;
}

/** Brings entries to their handlers and returns what became of each. Never rejects. */
export class Dispatcher {
  private readonly batchHandlers = new Map<string, StreamBatchHandler>();
  private ofAll: StreamBatchHandler | null = null;

  constructor(
    private readonly findHandler: FindHandler,
    private readonly concurrency: number,
  ) {}

  /** Of two handlers for a type the later one gets it. */
  add(handler: StreamBatchHandler): void {
    if (handler.types === 'all') this.ofAll = handler;
    else for (const type of handler.types) this.batchHandlers.set(type, handler);
  }

  async dispatch(entries: readonly StreamEntry[]): Promise<Map<StreamEntry, EntryResult>> {
    const results = new Map<StreamEntry, EntryResult>();
    const outcomes = await pMap(this.calls(entries, results), answer, { concurrency: this.concurrency });
    for (const [entry, result] of outcomes.flat()) results.set(entry, result);
    return results;
  }

  /** What to call; what cannot be handled gets its result here. */
  private calls(entries: readonly StreamEntry[], results: Map<StreamEntry, EntryResult>): Call[] {
    const calls: Call[] = [];
    const fresh = new Map<StreamBatchHandler, Call>();
    for (const entry of entries) {
      const handler = this.handlerOf(entry);
      if ('deadLetter' in handler) {
        results.set(entry, handler);
        continue;
      }
      const open = entry.deliveries === 1 ? fresh.get(handler) : undefined;
      if (open !== undefined) {
        open.entries.push(entry);
        continue;
      }
      const call = { entries: [entry], handler };
      calls.push(call);
      if (entry.deliveries === 1) fresh.set(handler, call);
    }
    return calls;
  }

  private handlerOf({ fields }: StreamEntry): StreamBatchHandler | { deadLetter: string } {
    const { type, v: version } = fields;
    if (version !== '1') return { deadLetter: `malformed: v is ${version ?? 'missing'}, expected 1` };
    if (type === undefined || type === '') return { deadLetter: 'malformed: no type' };
    const batch = this.batchHandlers.get(type);
    if (batch !== undefined) return batch;
    const handle = this.findHandler(type);
    if (handle === null) return this.ofAll ?? { deadLetter: 'no-handler' };
    return typeof handle === 'function' ? single(type, handle) : handle;
  }
}

/** A handler of one entry as one of batches; each call of this makes a new one, so that no two entries meet in a batch. */
function single(type: string, handle: (entry: StreamEntry) => Promise<unknown>): StreamBatchHandler {
  return {
    types: [type],
    async handle(entries) {
      for (const entry of entries) await handle(entry);
      return entries.map(() => 'done');
    },
  };
}

async function answer({ handler, entries }: Call): Promise<[StreamEntry, EntryResult][]> {
  try {
    const results = await handler.handle(entries);
    return entries.map((entry, i) => [entry, results[i] ?? { retry: 'the handler gave no result' }]);
  } catch (error) {
    const failed = error instanceof DeadLetterError ? { deadLetter: error.reason } : { retry: messageOf(error) };
    return entries.map((entry) => [entry, failed]);
  }
}
