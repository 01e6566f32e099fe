import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { StreamsServer } from '#event-streams';
import { CONFIG, connectRedis, consumerReports, LOGGER, type EndsFirst, type Logger } from '#service-kit';
import { deadLetterTenant, INBOX_STREAMS, inboxKeys } from '#session-core';

import { InboxMetrics } from './inbox.metrics.js';

/** Entries of one stream that are read at once: enough for 20,000 events a second with a few calls of the reader. */
const BATCH = 500;
const DEAD_AFTER_MS = 30_000;

/** Reads what servers publish, as one of the reapers. `createApp` makes it a microservice of the app; the handlers are those of `InboxController`. */
@Injectable()
export class InboxTransport extends StreamsServer implements OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;

  constructor(@Inject(CONFIG) config: BerthConfig, @Inject(LOGGER) logger: Logger, metrics: InboxMetrics) {
    const isTenant = (name: string) => Object.hasOwn(config.tenants, name);
    super({
      connect: () => connectRedis(config.redis, { purpose: 'streams', onError: () => {} }),
      streams: Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number)),
      group: inboxKeys.group,
      deadLetterStream: (fields) => inboxKeys.deadLetters(deadLetterTenant(fields, isTenant)),
      batch: BATCH,
      claimIdleMs: DEAD_AFTER_MS,
      observer: consumerReports(logger, metrics, {
        lost: 'Events lost: they were trimmed before they were applied',
        recreated: 'The inbox had lost its consumer group; reading all that is there again',
        unreadable: 'Inbox not readable; it will be tried again and again',
        readable: 'Inbox readable again',
      }),
    });
  }

  /** Stops reading, and settles what is in hand, as soon as the process drains; Nest itself would close it after the HTTP server. */
  async onModuleDestroy(): Promise<void> {
    await this.close();
  }
}
