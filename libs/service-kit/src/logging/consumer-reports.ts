import type { ConsumerMetrics } from '../metrics/consumer.metrics.js';
import type { Logger } from './logger.js';

/** What the log says of a consumer of streams. */
export interface ConsumerSentences {
  lost: string;
  recreated: string;
  unreadable: string;
  readable: string;
}

/** Logs and counts what an operator should see of a consumer of streams: an observer of the streams server. */
export function consumerReports(logger: Logger, metrics: ConsumerMetrics, sentences: ConsumerSentences) {
  return {
    deadLettered(fact: object): void {
      metrics.deadLettered();
      logger.warn(fact, 'Event given up; GET /api/sessions/dead-letters shows it');
    },
    entriesLost({ stream, streamIds }: { stream: string; streamIds: readonly string[] }): void {
      metrics.lost(streamIds.length);
      logger.error({ stream, count: streamIds.length }, sentences.lost);
    },
    groupRecreated: (fact: object): void => logger.warn(fact, sentences.recreated),
    readFailed: ({ error }: { error: unknown }): void => logger.error({ err: error }, sentences.unreadable),
    recovered: ({ afterMs }: { afterMs: number }): void => logger.info({ after_ms: afterMs }, sentences.readable),
  };
}
