import { Inject, Injectable } from '@nestjs/common';

import { groupLag } from '#event-streams';
import { Metrics, REDIS } from '#service-kit';
import { INBOX_STREAMS, inboxKeys, type StoreClient } from '#session-core';

const STREAMS = Array.from({ length: INBOX_STREAMS }, (_, number) => inboxKeys.events(number));

/** How far the readers of the fleet's streams are behind, and what they gave up. Read at each scrape; absent while Redis is away. */
@Injectable()
export class StreamsMetrics {
  constructor(metrics: Metrics, @Inject(REDIS) client: StoreClient) {
    metrics.gauge({
      name: 'berth_stream_lag',
      help: 'Events that a consumer group has not done yet, of all its streams.',
      labelNames: ['group'],
      async collect() {
        this.reset();
        const lags = await Promise.all(STREAMS.map((stream) => groupLag(client, stream, inboxKeys.group))).catch(
          () => null,
        );
        if (lags === null) return;
        this.set(
          { group: inboxKeys.group },
          lags.reduce((sum, lag) => sum + (lag?.entries ?? 0), 0),
        );
      },
    });
    metrics.gauge({
      name: 'berth_dead_letters',
      help: 'Events that were given up and wait for an operator.',
      async collect() {
        const length = await client.xlen(inboxKeys.deadLetters).catch(() => null);
        if (length === null) this.remove();
        else this.set(length);
      },
    });
  }
}
