import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { DAY_MS } from '#basics';
import { trimStream, type StreamsObserver } from '#event-streams';
import { LOGGER, REDIS, type EndsFirst, type Logger } from '#service-kit';
import { INBOX_STREAMS, inboxKeys, type StoreClient } from '#session-core';

const TRIM_EVERY_MS = 10_000;
/** A reaper that was not seen for so long is gone for good, and what it had not read is not kept for it. */
const GROUP_AGE_MS = DAY_MS;
const MAX_LENGTH = 1_000_000;
const STREAMS = Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number));

/** Keeps the inbox short. */
@Injectable()
export class InboxTrimmer implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly observer: Partial<StreamsObserver>;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(REDIS) private readonly client: StoreClient,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.observer = {
      boundReached: (fact) => logger.error(fact, 'Inbox too long: the oldest events were dropped unread'),
    };
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.trim(), TRIM_EVERY_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** What Redis does not answer now is trimmed the next time. */
  private async trim(): Promise<void> {
    const options = { groupAgeMs: GROUP_AGE_MS, maxLength: MAX_LENGTH, observer: this.observer };
    const trimmed = await Promise.allSettled(STREAMS.map((stream) => trimStream(this.client, stream, options)));
    for (const outcome of trimmed) {
      if (outcome.status === 'rejected') this.logger.debug({ err: outcome.reason }, 'Inbox not trimmed');
    }
  }
}
