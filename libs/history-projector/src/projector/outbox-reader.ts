import type { HistoryConfig, RedisConfig } from '#config';
import { StreamsServer, type EntryResult, type StreamEntry, type StreamsObserver } from '#event-streams';
import { connectRedis } from '#service-kit';
import { deadLetterTenant, historyKeys, inboxKeys, InvalidInputError } from '#session-core';
import { historyEvent, type HistoryEvent } from '#session-history';

import type { HistoryWriter } from './history-writer.js';

/** The stream is dead only with its process: another one takes over at once what this name had in hand. */
const CONSUMER = 'projector';
/** Each crash counts as a delivery of all that was in hand, and says nothing against it. */
const MAX_DELIVERIES = 100;

export interface OutboxReaderOptions {
  redis: RedisConfig;
  settings: HistoryConfig;
  /** Stream to number of shard. */
  streams: ReadonlyMap<string, number>;
  writer: HistoryWriter;
  /** Whether there is a tenant of this name. */
  isTenant: (name: string) => boolean;
  observer: Partial<StreamsObserver>;
}

/** Reads the outbox of every shard and hands its events to the writer; acknowledges what is committed. Call `close` to stop. */
export function readOutbox({
  redis,
  settings,
  streams,
  writer,
  isTenant,
  observer,
}: OutboxReaderOptions): StreamsServer {
  const server = new StreamsServer({
    connect: () => connectRedis(redis, { purpose: 'streams', onError: () => {} }),
    streams: [...streams.keys()],
    group: historyKeys.group,
    consumer: CONSUMER,
    deadLetterStream: (fields) => inboxKeys.deadLetters(deadLetterTenant(fields, isTenant)),
    batch: settings.batchSize,
    // What comes again comes alone: only side by side do they make a batch.
    concurrency: settings.batchSize,
    maxDeliveries: MAX_DELIVERIES,
    observer,
  });
  server.addBatchHandler({ types: 'all', handle: (entries) => project(entries, streams, writer) });
  server.listen(() => {});
  return server;
}

async function project(
  entries: readonly StreamEntry[],
  streams: ReadonlyMap<string, number>,
  writer: HistoryWriter,
): Promise<EntryResult[]> {
  const events: HistoryEvent[] = [];
  const results = entries.map(({ stream, streamId, fields }): EntryResult => {
    try {
      // One that was a dead letter and is published again keeps its place: what came after it is still newer.
      const position = fields['arrivedAs'] ?? streamId;
      const event = historyEvent({ position, shard: streams.get(stream) ?? 0, fields });
      if (event !== null) events.push(event);
      return 'done';
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw error;
      return { deadLetter: `malformed: ${error.path} ${error.message}` };
    }
  });
  await writer.write(events);
  return results;
}
