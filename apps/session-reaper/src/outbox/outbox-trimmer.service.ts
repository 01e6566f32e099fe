import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';

import { DAY_MS } from '#basics';
import { trimStream, type StreamsObserver } from '#event-streams';
import type { EndsFirst, Logger, RedisMemory } from '#service-kit';
import { outboxOf, type StoreClient, type StreamBounds, type TenantRef } from '#session-core';

const TRIM_EVERY_MS = 5_000;
/** As often at most, when memory is about to be short; so often this looks whether it is time. */
const TRIM_SOONEST_MS = 250;
/** Of the memory of Redis: from here on it is trimmed more often, the fuller the sooner. */
const PRESSURE_SHARE = 0.8;
/** A projector that was not seen for so long is gone for good, and what it had not read is not kept for it. */
const GROUP_AGE_MS = 7 * DAY_MS;
/** Somebody has to look long before anything is lost. */
const ALARM_SHARE = 0.8;
/** Of the memory of Redis; above it admissions matter more than what waits for history. Health has warned since 0.8. */
const MEMORY_SHARE = 0.9;

/** Evenly sooner from `PRESSURE_SHARE` to `MEMORY_SHARE`, milliseconds. */
export function trimEveryMs(share: number): number {
  const pressure = Math.min(1, Math.max(0, (share - PRESSURE_SHARE) / (MEMORY_SHARE - PRESSURE_SHARE)));
  return TRIM_EVERY_MS - pressure * (TRIM_EVERY_MS - TRIM_SOONEST_MS);
}

export interface TrimmerOptions {
  client: StoreClient;
  logger: Logger;
  tenants: readonly TenantRef[];
  /** Whether anybody reads: else what waits is not kept for anybody. */
  isRead: boolean;
  bounds: Record<'events' | 'rejections', StreamBounds>;
  /** A tenant that is not opened yet may have other keys than its configuration says. */
  isOpen: (tenant: string) => boolean;
  memory: Pick<RedisMemory, 'expectedShare'>;
}

interface Trimming extends StreamBounds {
  stream: string;
  tenant: string;
}

/**
 * Trims the outbox of every shard behind what reads it: every 5 s, and up to four times a second as Redis comes near to 90 % of its memory. Where that
 * is away for too long the oldest entries go, marked in the stream, but
 * not before an alarm. Any number of reapers at once.
 */
export class OutboxTrimmer implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly trimmings: readonly Trimming[];
  private readonly alarmed = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private trimming: Promise<void> | null = null;

  constructor(private readonly options: TrimmerOptions) {
    this.trimmings = options.tenants.flatMap((tenant) =>
      outboxOf(tenant).map(({ stream, kind }) => ({ stream, tenant: tenant.name, ...options.bounds[kind] })),
    );
  }

  onApplicationBootstrap(): void {
    let lastMs = performance.now();
    this.timer = setInterval(() => {
      if (performance.now() - lastMs < trimEveryMs(this.options.memory.expectedShare)) return;
      this.trimming ??= this.trimAll().finally(() => {
        this.trimming = null;
        lastMs = performance.now();
      });
    }, TRIM_SOONEST_MS);
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    await this.trimming;
  }

  /** One after the other, so that a backlog in many shards takes no more of Redis than one. What fails is done the next time. */
  async trimAll(): Promise<void> {
    for (const one of this.trimmings) {
      if (!this.options.isOpen(one.tenant)) continue;
      try {
        await this.trim(one);
      } catch (error) {
        this.options.logger.debug({ err: error, stream: one.stream }, 'Outbox not trimmed');
      }
    }
  }

  private async trim({ stream, tenant, maxLength, keepLength }: Trimming): Promise<void> {
    const { client, isRead } = this.options;
    const mark = { type: 'events.lost', tenant };
    const groupAgeMs = isRead ? GROUP_AGE_MS : 0;
    const bounds = { groupAgeMs, maxLength, keepLength, memoryShare: MEMORY_SHARE };
    await trimStream(client, stream, { ...bounds, mark, observer: this.observer() });
    if (!isRead) return;
    const length = await client.xlen(stream);
    if (length >= ALARM_SHARE * maxLength && !this.alarmed.has(stream)) {
      this.alarmed.add(stream);
      const facts = { stream, length, max_length: maxLength };
      this.options.logger.error(
        facts,
        'The outbox is nearly full: nobody writes history; at max_length the oldest events are lost',
      );
    }
    if (length < (ALARM_SHARE / 2) * maxLength && this.alarmed.delete(stream)) {
      this.options.logger.info({ stream, length }, 'The outbox has room again');
    }
  }

  private observer(): Partial<StreamsObserver> {
    const { logger } = this.options;
    return {
      boundReached: (fact) => logger.error(fact, 'Outbox cut: the oldest events were dropped before history had them'),
      groupsAgedOut: (fact) =>
        logger.warn(fact, 'A reader of the outbox was not seen for a week; nothing is kept for it'),
    };
  }
}
