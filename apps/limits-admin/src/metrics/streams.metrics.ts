import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { groupLag, type GroupLag } from '#event-streams';
import { CONFIG, Metrics, REDIS, type Sample } from '#service-kit';
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
    // A group whose streams cannot be read is absent, the other is not.
    const lagOf = async ([group, streams]: [string, readonly string[]]): Promise<Sample<'group'>[]> => {
      try {
        const lags = await Promise.all(streams.map((stream) => groupLag(client, stream, group)));
        return [[{ group }, sumOf(lags)]];
      } catch (error) {
        metrics.unreadable('berth_stream_lag', error);
        return [];
      }
    };
    metrics.gauges(
      'berth_stream_lag',
      'Events that a consumer group has not done yet, of all its streams.',
      ['group'],
      async () => (await Promise.all(Object.entries(streamsOf).map(lagOf))).flat(),
    );
    metrics.gauge('berth_dead_letters', 'Events that were given up and wait for an operator.', async () => {
      const lengths = await Promise.all(names.map((name) => client.xlen(inboxKeys.deadLetters(name))));
      return lengths.reduce((sum, length) => sum + length, 0);
    });
  }
}

function sumOf(lags: readonly (GroupLag | null)[]): number {
  return lags.reduce((sum, lag) => sum + (lag?.entries ?? 0), 0);
}
