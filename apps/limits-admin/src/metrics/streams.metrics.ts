import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { groupLag, type GroupLag } from '#event-streams';
import { CONFIG, Metrics, REDIS } from '#service-kit';
import { historyKeys, INBOX_STREAMS, inboxKeys, outboxOf, type StoreClient } from '#session-core';

const INBOX = Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number));

/** How far the readers of the fleet's streams are behind, and what they gave up. Read at each scrape; absent while Redis is away. */
@Injectable()
export class StreamsMetrics {
  constructor(metrics: Metrics, @Inject(REDIS) client: StoreClient, @Inject(CONFIG) { history, tenants }: BerthConfig) {
    const streamsOf: Record<string, readonly string[]> = { [inboxKeys.group]: INBOX };
    if (history !== null)
      streamsOf[historyKeys.group] = Object.values(tenants)
        .flatMap(outboxOf)
        .map(({ stream }) => stream);
    const names = [...new Set(['default', ...Object.keys(tenants)])];
    metrics.gauge({
      name: 'berth_stream_lag',
      help: 'Events that a consumer group has not done yet, of all its streams.',
      labelNames: ['group'],
      async collect() {
        this.reset();
        // A group whose streams cannot be read is absent, the other is not.
        const groups = Object.entries(streamsOf).map(async ([group, streams]) => {
          try {
            const lags = await Promise.all(streams.map((stream) => groupLag(client, stream, group)));
            this.set({ group }, sumOf(lags));
          } catch (error) {
            metrics.unreadable('berth_stream_lag', error);
          }
        });
        await Promise.all(groups);
      },
    });
    metrics.gauge({
      name: 'berth_dead_letters',
      help: 'Events that were given up and wait for an operator.',
      async collect() {
        const lengths = await Promise.all(names.map((name) => client.xlen(inboxKeys.deadLetters(name))));
        this.set(lengths.reduce((sum, length) => sum + length, 0));
      },
    });
  }
}

function sumOf(lags: readonly (GroupLag | null)[]): number {
  return lags.reduce((sum, lag) => sum + (lag?.entries ?? 0), 0);
}
