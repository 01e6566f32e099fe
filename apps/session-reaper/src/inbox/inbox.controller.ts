import { Controller, Inject, type OnModuleDestroy } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import pMap from 'p-map';

import { BackOff, redisNow } from '#basics';
import { IN_BATCHES, type EntryResult, type StreamEntry } from '#event-streams';
import { problemOf, PROBLEMS, REDIS, type EndsFirst } from '#service-kit';
import { BerthError, StoreUnavailableError, type StoreClient } from '#session-core';
import { EventInbox } from '#session-inbox';
import { EVENT_TYPES, type RawEvent } from '#session-wire';

import { InboxMetrics } from './inbox.metrics.js';
import { InboxTenants } from './inbox.tenants.js';

/** Events of a batch that are applied at once: more would only wait in Redis, and come near the deadline of a call. */
const MAX_AT_ONCE = 128;
const RETRY = { firstMs: 100, maxMs: 2_000 };

/** Applies what servers publish: acknowledged when it is on the books, given up with a reason when it can never be. */
@Controller()
export class InboxController implements OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly inbox: EventInbox;
  private readonly stopping = new AbortController();

  constructor(
    @Inject(REDIS) private readonly client: StoreClient,
    private readonly metrics: InboxMetrics,
    tenants: InboxTenants,
  ) {
    this.inbox = new EventInbox((name) => tenants.named(name));
  }

  /** What is in hand gets one more attempt, and nothing is waited for any more; `InboxTransport` waits for that. */
  onModuleDestroy(): void {
    this.stopping.abort();
  }

  @EventPattern([...EVENT_TYPES], IN_BATCHES)
  async applyAll(entries: readonly StreamEntry[]): Promise<EntryResult[]> {
    const readAtMs = await this.redisTimeMs();
    if (readAtMs === null) return entries.map(() => ({ retry: 'store-unavailable' }));
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

  /** By the clock that gave the entries their ids. Waits for Redis, as `apply` does; null where that is away when the process stops. */
  private async redisTimeMs(): Promise<number | null> {
    const backOff = new BackOff(RETRY);
    for (;;) {
      try {
        return await redisNow(this.client);
      } catch {
        if (this.stopping.signal.aborted) return null;
        await backOff.pause(this.stopping.signal);
      }
    }
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
