import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import pMap from 'p-map';

import { BackOff, DAY_MS, redisNow } from '#basics';
import type { BerthConfig } from '#config';
import { StreamsServer, trimStream, type EntryResult, type StreamEntry, type StreamsObserver } from '#event-streams';
import { CONFIG, connectRedis, LOGGER, problemOf, PROBLEMS, REDIS, type EndsFirst, type Logger } from '#service-kit';
import {
  BerthError,
  deadLetterTenant,
  INBOX_STREAMS,
  inboxKeys,
  StoreUnavailableError,
  type StoreClient,
} from '#session-core';
import { EventInbox } from '#session-inbox';
import { EVENT_TYPES, type RawEvent } from '#session-wire';

import { InboxMetrics } from './inbox.metrics.js';
import { InboxTenants } from './inbox.tenants.js';

/** Entries of one stream that are read at once: enough for 20,000 events a second with a few calls of the reader. */
const BATCH = 500;
/** Events of a batch that are applied at once: more would only wait in Redis, and come near the deadline of a call. */
const MAX_AT_ONCE = 128;
const DEAD_AFTER_MS = 30_000;
const RETRY = { firstMs: 100, maxMs: 2_000 };
const TRIM_EVERY_MS = 10_000;
/** A reaper that was not seen for so long is gone for good, and what it had not read is not kept for it. */
const GROUP_AGE_MS = DAY_MS;
const MAX_LENGTH = 1_000_000;
const STREAMS = Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number));

/** Applies what servers publish: acknowledged when it is on the books, given up with a reason when it can never be. */
@Injectable()
export class InboxProcessor implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly inbox: EventInbox;
  private readonly server: StreamsServer;
  private trimmer: NodeJS.Timeout | undefined;
  private readonly stopping = new AbortController();

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    @Inject(REDIS) private readonly client: StoreClient,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: InboxMetrics,
    tenants: InboxTenants,
  ) {
    const isTenant = (name: string) => Object.hasOwn(config.tenants, name);
    this.inbox = new EventInbox((name) => tenants.named(name));
    this.server = new StreamsServer({
      connect: () => connectRedis(config.redis, { purpose: 'streams', onError: () => {} }),
      streams: STREAMS,
      group: inboxKeys.group,
      deadLetterStream: (fields) => inboxKeys.deadLetters(deadLetterTenant(fields, isTenant)),
      batch: BATCH,
      claimIdleMs: DEAD_AFTER_MS,
      observer: this.observer(),
    });
    this.server.addBatchHandler({ types: EVENT_TYPES, handle: (entries) => this.applyAll(entries) });
  }

  onApplicationBootstrap(): void {
    this.server.listen(() => {});
    this.trimmer = setInterval(() => void this.trim(), TRIM_EVERY_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    clearInterval(this.trimmer);
    await this.server.close();
  }

  private async applyAll(entries: readonly StreamEntry[]): Promise<EntryResult[]> {
    const readAtMs = await this.redisTimeMs();
    const readAt = performance.now();
    const apply = async (entry: StreamEntry) =>
      await this.apply(entry, readAtMs + performance.now() - readAt - entry.atMs);
    return await pMap(entries, apply, { concurrency: MAX_AT_ONCE });
  }

  /**
   * Waits while the store is away: what is in hand is kept, and nothing is counted against it. Never rejects: what fails otherwise is
   * tried again alone, while the others of the batch are settled.
   */
  private async apply({ stream, streamId, atMs, fields }: StreamEntry, ageMs: number): Promise<EntryResult> {
    const event: RawEvent = fields;
    const arrival = {
      id: `${stream}/${streamId}`,
      atMs,
      ageMs: Math.max(ageMs, 0),
      tenant: null,
      via: 'inbox',
    } as const;
    const backOff = new BackOff(RETRY);
    for (;;) {
      try {
        const { status } = await this.inbox.apply(event, arrival);
        this.metrics.applied(fields['type'] ?? '', status);
        return 'done';
      } catch (error) {
        const reason = givenUp(error);
        if (reason !== null) return { deadLetter: reason };
        // A key of a foreign type does not mend by itself, and may be that of one session: the events behind this one go on.
        const isAway = error instanceof StoreUnavailableError && error.fault !== 'WRONGTYPE';
        if (!isAway) return { retry: messageOf(error) };
        if (this.stopping.signal.aborted) return { retry: 'store-unavailable' };
      }
      await backOff.pause(this.stopping.signal);
    }
  }

  /** By the clock that gave the entries their ids. Waits for Redis, as `apply` does; what was read as the reaper stopped gets its one attempt too. */
  private async redisTimeMs(): Promise<number> {
    const backOff = new BackOff(RETRY);
    for (;;) {
      try {
        return await redisNow(this.client);
      } catch {
        if (this.stopping.signal.aborted) throw new StoreUnavailableError('The reaper stops');
        await backOff.pause(this.stopping.signal);
      }
    }
  }

  /** What Redis does not answer now is trimmed the next time. */
  private async trim(): Promise<void> {
    const options = { groupAgeMs: GROUP_AGE_MS, maxLength: MAX_LENGTH, observer: this.observer() };
    const trimmed = await Promise.allSettled(STREAMS.map((stream) => trimStream(this.client, stream, options)));
    for (const outcome of trimmed) {
      if (outcome.status === 'rejected') this.logger.debug({ err: outcome.reason }, 'Inbox not trimmed');
    }
  }

  private observer(): Partial<StreamsObserver> {
    const { logger, metrics } = this;
    return {
      deadLettered(fact) {
        metrics.deadLettered();
        logger.warn(fact, 'Event given up; GET /api/sessions/dead-letters shows it');
      },
      entriesLost({ stream, streamIds }) {
        metrics.lost(streamIds.length);
        logger.error({ stream, count: streamIds.length }, 'Events lost: they were trimmed before they were applied');
      },
      groupRecreated: (fact) =>
        logger.warn(fact, 'The inbox had lost its consumer group; reading all that is there again'),
      boundReached: (fact) => logger.error(fact, 'Inbox too long: the oldest events were dropped unread'),
      readFailed: ({ error }) => logger.error({ err: error }, 'Inbox not readable; it will be tried again and again'),
      recovered: ({ afterMs }) => logger.info({ after_ms: afterMs }, 'Inbox readable again'),
    };
  }
}

/** Why an event can never be applied; null where it may be, later, or where the fault is not the event's. */
function givenUp(error: unknown): string | null {
  if (!(error instanceof BerthError)) return null;
  const { code, message } = problemOf(error);
  return PROBLEMS[code].retryable || code === 'internal-error' ? null : message;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
