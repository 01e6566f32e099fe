import { pause } from '#basics';
import type { Logger } from '#service-kit';
import { StoreUnavailableError, type Books, type Session, type TenantRef } from '#session-core';
import { HistoryUnavailableError, type TrafficEvent } from '#session-history';

import type { HistoryWriter } from './history-writer.js';

/** What sessions carry is no event of its own: who looks at history sees it so late at most, or as late as a pass takes. */
const PASS_EVERY_MS = 30_000;
/** Pieces have about 500 sessions, 4 ms of Redis in calls of less than 1 ms; with the pause after each at most 2 % of Redis, 2,000 sessions a second. */
const PAUSE_MS = 250;

export interface OpenTrafficOptions {
  books: Books;
  tenants: readonly TenantRef[];
  writer: HistoryWriter;
  logger: Logger;
  signal: AbortSignal;
}

/** Brings the totals of live sessions into history now and then; the last ones come with the end of each. Never rejects. */
export async function readOpenTraffic({ books, tenants, writer, logger, signal }: OpenTrafficOptions): Promise<void> {
  while (!signal.aborted) {
    const began = performance.now();
    try {
      for (const tenant of tenants) {
        let isFirst = true;
        for await (const sessions of books.allSessions(tenant)) {
          if (!isFirst) await pause(PAUSE_MS, signal);
          if (signal.aborted) return;
          isFirst = false;
          await writer.write(sessions.flatMap(trafficOf));
        }
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) && !(error instanceof HistoryUnavailableError)) {
        logger.error({ err: error }, 'Totals of live sessions not read; they are read again');
      }
    }
    await pause(began + PASS_EVERY_MS - performance.now(), signal);
  }
}

function trafficOf({ tenant, id, attempt, startedAtMs, ...session }: Session): TrafficEvent[] {
  const { bytesSent, bytesReceived, packetsSent, packetsReceived } = session;
  if (bytesSent + bytesReceived + packetsSent + packetsReceived === 0) return [];
  const totals = { bytesSent, bytesReceived, packetsSent, packetsReceived };
  const place = { tenant, atMs: startedAtMs, position: '0-0', levels: [] };
  return [{ kind: 'traffic', ...place, sessionId: id, attempt, startedAtMs, totals }];
}
