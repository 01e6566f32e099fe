import { setTimeout as elapsed } from 'node:timers/promises';

import type { Logger } from '#service-kit';
import { StoreUnavailableError, type Books, type Session, type TenantRef } from '#session-core';
import { HistoryUnavailableError, type TrafficEvent } from '#session-history';

import type { HistoryWriter } from './history-writer.js';

/** What sessions carry is no event of its own: who looks at history sees it so late at most, or as late as a pass takes. */
const PASS_EVERY_MS = 30_000;
/** Sessions read at once, 4 ms of Redis in calls of less than 1 ms, and the pause after: at most 2 % of Redis, 2,000 sessions a second. */
const PAGE = 500;
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
  const pause = async (ms: number) => await elapsed(ms, undefined, { signal }).catch(() => {});
  while (!signal.aborted) {
    const began = performance.now();
    try {
      for (const tenant of tenants) {
        for (let cursor: string | null = null, more = true; more && !signal.aborted; more = cursor !== null) {
          const { sessions, nextCursor }: Awaited<ReturnType<Books['sessions']>> = await books.sessions(
            tenant,
            {},
            cursor,
            PAGE,
          );
          await writer.write(sessions.flatMap(trafficOf));
          cursor = nextCursor;
          if (cursor !== null) await pause(PAUSE_MS);
        }
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) && !(error instanceof HistoryUnavailableError)) {
        logger.error({ err: error }, 'Totals of live sessions not read; they are read again');
      }
    }
    await pause(began + PASS_EVERY_MS - performance.now());
  }
}

function trafficOf({ tenant, id, attempt, startedAtMs, ...session }: Session): TrafficEvent[] {
  const { bytesSent, bytesReceived, packetsSent, packetsReceived } = session;
  if (bytesSent + bytesReceived + packetsSent + packetsReceived === 0) return [];
  const totals = { bytesSent, bytesReceived, packetsSent, packetsReceived };
  const place = { tenant, atMs: startedAtMs, position: '0-0', levels: [] };
  return [{ kind: 'traffic', ...place, sessionId: id, attempt, startedAtMs, totals }];
}
