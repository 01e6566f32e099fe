import { Inject, Injectable } from '@nestjs/common';

import { groupLag, type GroupLag } from '#event-streams';
import { CONFIG, Metrics, REDIS, type BerthConfig } from '#service-kit';
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
        for (const [group, streams] of Object.entries(streamsOf)) {
          const lags = await lagsOf(client, streams, group);
          if (lags !== null) this.set({ group }, sumOf(lags));
        }
      },
    });
    metrics.gauge({
      name: 'berth_dead_letters',
      help: 'Events that were given up and wait for an operator.',
      async collect() {
        const lengths = names.map((name) => client.xlen(inboxKeys.deadLetters(name)));
        const all = await Promise.all(lengths).catch(() => null);
        if (all === null) this.remove();
        else this.set(all.reduce((sum, length) => sum + length, 0));
      },
    });
  }
}

async function lagsOf(client: StoreClient, streams: readonly string[], group: string) {
  return await Promise.all(streams.map((stream) => groupLag(client, stream, group))).catch(() => null);
}

function sumOf(lags: readonly (GroupLag | null)[]): number {
  return lags.reduce((sum, lag) => sum + (lag?.entries ?? 0), 0);
}
