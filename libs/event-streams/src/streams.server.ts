import { BaseRpcContext, Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

import { Connection } from './connection.js';
import { Dispatcher, type FindHandler, type StreamBatchHandler } from './dispatcher.js';
import type { EntryResult, StreamEntry } from './entry.js';
import { GroupStream } from './group-stream.js';
import { slotTag } from './keys.js';
import { teller, type Tell } from './observer.js';
import { resolveOptions, type ResolvedOptions, type StreamsServerOptions } from './options.js';
import { ReadLoop } from './read-loop.js';
import { Settlement } from './settlement.js';

/**
 * Extras of an `@EventPattern` whose method takes entries together: `@EventPattern(types, IN_BATCHES)`. It gets a list of those of its types that
 * were read together, and answers as `StreamBatchHandler.handle` does.
 */
export const IN_BATCHES = { inBatches: true } as const;

/** The second argument of an event handler, and what guards, pipes and interceptors see: the entries once more. */
export class StreamsContext extends BaseRpcContext<[StreamEntry, ...StreamEntry[]]> {
  /** The only one, or the first of a batch. */
  get entry(): StreamEntry {
    return this.args[0];
  }
}

const LEAVE_MS = 1_000;

interface Reader {
  loop: ReadLoop;
  settlement: Settlement;
  running: Promise<void>;
}

/**
 * A NestJS transport that reads Redis Streams as one consumer of a group. `@EventPattern(type)` handlers get a `StreamEntry`, or many
 * (`IN_BATCHES`); an entry is acknowledged when its handler is done, and comes again when it failed: at least once, so handlers must be idempotent.
 *
 * Redis may be away at any time, at the start too: nothing is thrown, reading goes on when it is back.
 */
export class StreamsServer extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('redis-streams');
  /** The result of a handler is awaited here, so Nest need not log its failure. */
  override readonly propagatesEventHandlerErrors = true;
  private readonly options: ResolvedOptions;
  private readonly dispatcher: Dispatcher;
  private readonly tell: Tell;
  private readonly commands: Connection;
  private readonly streams: readonly GroupStream[];
  private readonly batchMethods = new Map<object, StreamBatchHandler>();
  private readers: Reader[] = [];
  private closing = false;
  private heartbeat: NodeJS.Timeout | undefined;

  /** Throws `InvalidOptionsError`. Connects to nothing before `listen`. */
  constructor(options: StreamsServerOptions) {
    super();
    this.options = resolveOptions(options);
    this.tell = teller(this.options.observer);
    this.commands = new Connection(this.options.connect);
    this.dispatcher = new Dispatcher((type) => this.handlerOf(type), this.options.concurrency);
    this.streams = this.options.streams.map((stream) => new GroupStream(stream, this.options, this.commands));
  }

  /** Gives the events of some types to a handler of whole batches where there is no Nest application; before `listen`. */
  addBatchHandler(handler: StreamBatchHandler): void {
    this.dispatcher.add(handler);
  }

  /** Begins to read in the background, and calls back at once, whether Redis is there or not. */
  listen(callback: () => void): void {
    this.readers = readTogether(this.streams, this.commands.isCluster).map((streams) => this.startReader(streams));
    this.heartbeat = setInterval(() => void this.beat(), this.options.claimIdleMs / 3);
    callback();
  }

  /**
   * Stops reading, settles what is in hand (for `drainMs` at most; the rest stays pending and goes to another consumer), hands back what
   * waits for a retry, takes this consumer's name from the group if nothing is pending under it, and closes its connections. Only the first
   * call does: Nest closes once more what a module has closed.
   */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    for (const { loop } of this.readers) loop.stop();
    this.commands.hurry();
    const drained = await within(this.options.drainMs, Promise.all(this.readers.map(({ running }) => running)));
    clearInterval(this.heartbeat);
    for (const { loop } of this.readers) loop.close();
    if (drained && this.readers.length > 0) await within(LEAVE_MS, this.leave());
    this.commands.close();
  }

  /** Its events go to the observer. */
  on(): never {
    throw new Error('StreamsServer emits no events: pass an observer');
  }

  /** It has no client to show: clients are opened by `connect`, and replaced when they fail. */
  unwrap(): never {
    throw new Error('StreamsServer shares no client: open one with connect');
  }

  private startReader(streams: readonly GroupStream[]): Reader {
    const settlement = new Settlement(this.options, this.dispatcher, this.tell);
    const loop = new ReadLoop(streams, this.commands, settlement, this.options, this.tell);
    return { loop, settlement, running: loop.run() };
  }

  /**
   * However long the handlers take: the group stays registered, this consumer known as alive, and what is in hand out of the reach of
   * others. A beat that fails needs no report: without Redis nobody can trim or claim either, and the read loops say that it is away.
   */
  private async beat(): Promise<void> {
    const kept = this.readers.map(({ settlement }) => settlement.keep());
    const seen = this.streams.flatMap((stream) => [stream.register(), stream.touch()]);
    await Promise.allSettled([...kept, ...seen]);
  }

  /** A name that cannot be removed now is removed by another consumer once it has been idle. */
  private async leave(): Promise<void> {
    await Promise.allSettled(this.streams.map((stream) => stream.leave(this.options.claimIdleMs)));
  }

  private handlerOf(type: string): ReturnType<FindHandler> {
    // Not by getHandlerByPattern, which parses JSON: a type comes from outside.
    const handler = this.messageHandlers.get(type);
    if (handler === undefined || handler.isEventHandler !== true) return null;
    if (handler.extras?.['inBatches'] !== true) return async (entry) => await this.call(handler, entry, [entry]);
    return this.batchMethod(type, handler, handler.extras);
  }

  /** Nest registers a method once for each of its types, with the same extras: entries of all of them are one batch. */
  private batchMethod(type: string, handler: MessageHandler, extras: object): StreamBatchHandler {
    const known = this.batchMethods.get(extras);
    if (known !== undefined) return known;
    const handle: StreamBatchHandler['handle'] = async (entries) =>
      (await this.call(handler, entries, entries)) as EntryResult[];
    const method = { types: [type], handle };
    this.batchMethods.set(extras, method);
    return method;
  }

  /** Through the guards, pipes, interceptors and filters of Nest. */
  private call(handler: MessageHandler, data: unknown, entries: readonly StreamEntry[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const context = new StreamsContext([...entries] as [StreamEntry]);
      this.runWithProcessingHooks(context, async (end) => {
        try {
          const result = this.transformToObservable(await handler(data, context));
          resolve(await lastValueFrom(result, { defaultValue: undefined }));
        } catch (error) {
          reject(error);
        } finally {
          end();
        }
      });
    });
  }
}

/** Streams that one command may name together: those of one hash tag on a cluster, all of them elsewhere. */
function readTogether(streams: readonly GroupStream[], isCluster: boolean): (readonly GroupStream[])[] {
  if (!isCluster) return [streams];
  const groups = new Map<string, GroupStream[]>();
  for (const stream of streams) {
    const tag = slotTag(stream.stream);
    groups.set(tag, [...(groups.get(tag) ?? []), stream]);
  }
  return [...groups.values()];
}

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(resolve, ms, false)));
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
