import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

import { pause } from '#basics';
import type { BerthConfig } from '#config';
import {
  assertMaySpeakForNode,
  CONFIG,
  ConfigReload,
  isStillKnown,
  LOGGER,
  ProblemException,
  ReadinessChecks,
  type Logger,
  type Principal,
} from '#service-kit';

import type { CommandSink } from './command-sink.js';
import { CommandStream } from './command-stream.js';
import { CommandWatch } from './command-watch.js';
import { CommandsRepository } from './commands.repository.js';

/**
 * Open at once in this process: of one node, so that a client that reconnects in a loop is noticed while its dead connections linger; and of
 * one key, which may be that of a whole fleet. A stream holds some 10 KB.
 */
const MAX_PER_NODE = 16;
const MAX_PER_KEY = 1_000;
/** By then what a client left behind has been noticed to be dead. */
const RETRY_AFTER_S = 15;

/** How late a stream may learn of a new command. */
const LOOK_MS = 100;

interface Feed {
  watch: CommandWatch;
  streams: Map<string, Set<CommandStream>>;
}

/**
 * The open streams of commands of this gateway. While there is one, the shards of its tenant are asked every 100 ms which nodes were
 * given commands; see docs/decisions/0010-commands.md.
 */
@Injectable()
export class CommandFeedService implements OnModuleDestroy {
  private readonly feeds = new Map<string, Feed>();
  private readonly callers = new Map<CommandStream, Principal>();
  /** Open streams by key. */
  private readonly ofKeys = new Map<string, number>();
  private looking = false;
  private stopped = false;

  constructor(
    private readonly commands: CommandsRepository,
    private readonly host: HttpAdapterHost,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: BerthConfig,
    readiness: ReadinessChecks,
    reload: ConfigReload,
  ) {
    // A stream that is opened while the process drains is served until it stops: its client may find no other gateway yet.
    readiness.draining.addEventListener('abort', () => this.endAll(), { once: true });
    reload.onApplied(() => this.endRefused());
  }

  /** Streams the node's commands into this sink until either side closes it. Throws `forbidden` and `too-many-requests` before anything is sent. */
  open(caller: Principal, node: string, sink: CommandSink): CommandStream {
    assertMaySpeakForNode(caller, node);
    const { tenant, store } = this.commands.named(caller.tenant);
    const key = `${caller.tenant}/${caller.id}`;
    this.assertRoom(tenant.name, node, key);
    const stream = new CommandStream(sink, () => store.unacknowledged(tenant, node));
    this.add(tenant.name, node, stream);
    this.callers.set(stream, caller);
    this.ofKeys.set(key, this.openOf(key) + 1);
    stream
      .run()
      .catch((error: unknown) => {
        this.logger.error({ err: error, tenant: tenant.name, node }, 'Command stream broke off');
        sink.cutOff();
      })
      .finally(() => {
        this.remove(tenant.name, node, stream);
        this.callers.delete(stream);
        const left = this.openOf(key) - 1;
        if (left > 0) this.ofKeys.set(key, left);
        else this.ofKeys.delete(key);
      });
    if (!this.looking) void this.lookUntilClosed();
    return stream;
  }

  onModuleDestroy(): void {
    this.stopped = true;
    this.endAll();
  }

  private openOf(key: string): number {
    return this.ofKeys.get(key) ?? 0;
  }

  private assertRoom(tenant: string, node: string, key: string): void {
    const ofNode = this.feeds.get(tenant)?.streams.get(node)?.size ?? 0;
    if (ofNode >= MAX_PER_NODE) throw tooMany(`Node ${node} has ${ofNode} streams of commands open here`);
    const ofKey = this.openOf(key);
    if (ofKey >= MAX_PER_KEY)
      throw tooMany(
        `${this.config.auth.keys.length > 0 ? 'This key has' : 'The callers of this tenant have'} ${ofKey} streams of commands open here`,
      );
  }

  private add(tenant: string, node: string, stream: CommandStream): void {
    const feed = this.feeds.get(tenant) ?? this.newFeed(tenant);
    this.feeds.set(tenant, feed);
    feed.streams.set(node, (feed.streams.get(node) ?? new Set()).add(stream));
  }

  private newFeed(name: string): Feed {
    const { tenant, store } = this.commands.named(name);
    return { watch: new CommandWatch(tenant, store), streams: new Map() };
  }

  private remove(tenant: string, node: string, stream: CommandStream): void {
    const feed = this.feeds.get(tenant);
    const ofNode = feed?.streams.get(node);
    ofNode?.delete(stream);
    if (ofNode?.size === 0) feed?.streams.delete(node);
    if (feed?.streams.size === 0) this.feeds.delete(tenant);
  }

  private async lookUntilClosed(): Promise<void> {
    this.looking = true;
    while (this.feeds.size > 0) {
      // A server that stops waits for its streams, which would never end by themselves.
      if (this.stopped || !this.host.httpAdapter.getHttpServer().listening) this.endAll();
      await Promise.all([...this.feeds.values()].map((feed) => this.look(feed)));
      await pause(LOOK_MS);
    }
    this.looking = false;
  }

  private async look({ watch, streams }: Feed): Promise<void> {
    for (const node of await watch.look()) {
      for (const stream of streams.get(node) ?? []) stream.wake();
    }
  }

  /** A key that is gone or says another thing ends its streams. Who has another right comes back, and is judged anew. */
  private endRefused(): void {
    for (const [stream, caller] of this.callers) if (!isStillKnown(this.config, caller)) stream.end('key-changed');
  }

  private endAll(): void {
    for (const { streams } of this.feeds.values()) {
      for (const ofNode of streams.values()) for (const stream of ofNode) stream.end();
    }
  }
}

function tooMany(what: string): ProblemException {
  return new ProblemException('too-many-requests', `${what}; one is enough: close those that nobody reads`, {
    headers: { 'Retry-After': String(RETRY_AFTER_S) },
  });
}
