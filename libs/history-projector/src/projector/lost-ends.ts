import { pause } from '#basics';
import { groupLag } from '#event-streams';
import type { Logger } from '#service-kit';
import {
  historyKeys,
  outboxOf,
  StoreUnavailableError,
  type Books,
  type StoreClient,
  type TenantRef,
} from '#session-core';
import { HistoryUnavailableError, type EndedEvent, type SessionRow } from '#session-history';

import type { History } from '../history.service.js';
import type { HistoryWriter } from './history-writer.js';

const FIRST_PASS_MS = 60_000;
const PASS_EVERY_MS = 600_000;
const OPEN = { status: 'active', sortDir: 'asc', pageSize: 500 } as const;
const LOOK_AGAIN_MS = 500;

export interface LostEndsOptions {
  history: History;
  books: Books;
  client: StoreClient;
  tenants: readonly TenantRef[];
  writer: HistoryWriter;
  logger: Logger;
  signal: AbortSignal;
  /** When the first pass begins, and how long after it the next one; milliseconds. */
  firstPassMs?: number;
  passEveryMs?: number;
}

/**
 * Ends in history what is not on the books any more although no event of its end came: Redis came back without its data, or an outbox that
 * was too full lost the end. Else such a session would stay open in history for ever. Never rejects.
 */
export async function endLost(options: LostEndsOptions): Promise<void> {
  const { tenants, logger, signal, firstPassMs = FIRST_PASS_MS, passEveryMs = PASS_EVERY_MS } = options;
  await pause(firstPassMs, signal);
  while (!signal.aborted) {
    for (const tenant of tenants) {
      try {
        const ended = await endLostOf(tenant, options);
        if (ended > 0) {
          const facts = { tenant: tenant.name, count: ended };
          logger.warn(facts, 'Sessions ended in history that are not on the books; how they ended was lost');
        }
      } catch (error) {
        if (error instanceof StoreUnavailableError || error instanceof HistoryUnavailableError) continue;
        logger.error({ err: error }, 'Sessions whose end was lost not looked for; that is done again');
      }
    }
    await pause(passEveryMs, signal);
  }
}

async function endLostOf(tenant: TenantRef, options: LostEndsOptions): Promise<number> {
  const { history, writer, signal } = options;
  let ended = 0;
  for (let cursor: string | undefined; !signal.aborted;) {
    const read = async () => await history.database.history(tenant.name, { ...OPEN, cursor });
    const page = await read();
    const missing = await notLive(tenant, page.rows, options.books);
    if (missing.length > 0 && (await allApplied(tenant, performance.now(), options))) {
      const open = new Set((await read()).rows.map(placeOf));
      const lost = missing.filter((row) => open.has(placeOf(row)));
      await writer.write(lost.map(lostEnd));
      ended += lost.length;
    }
    if (page.nextCursor === null) return ended;
    cursor = page.nextCursor;
  }
  return ended;
}

async function notLive(tenant: TenantRef, rows: readonly SessionRow[], books: Books): Promise<SessionRow[]> {
  const { sessions, unreadable } = await books.sessionsNamed(
    tenant,
    rows.map((row) => row.session_id),
  );
  const known = new Set(sessions.map(({ id, startedAtMs }) => `${startedAtMs} ${id}`));
  // When an unreadable one began is not known; it is on the books all the same.
  const doubtful = new Set(unreadable.map(({ id }) => id));
  return rows.filter((row) => !known.has(placeOf(row)) && !doubtful.has(row.session_id));
}

const placeOf = (row: SessionRow): string => `${Date.parse(row.start_time)} ${row.session_id}`;

/** Whether history has all that happened until then: what is missing may just have ended. */
async function allApplied(tenant: TenantRef, untilAt: number, { client, signal }: LostEndsOptions): Promise<boolean> {
  for (const { stream } of outboxOf(tenant)) {
    for (;;) {
      if (signal.aborted) return false;
      // The age is of a moment after this one, in whole milliseconds: what is doubtful counts as older.
      const asked = performance.now();
      const lag = await groupLag(client, stream, historyKeys.group);
      if (lag === null) return false; // its group is just made again
      if (lag.oldestAgeMs === null || lag.oldestAgeMs + 1 < asked - untilAt) break;
      await pause(LOOK_AGAIN_MS, signal);
    }
  }
  return true;
}

/** As of the newest event that the row has: whatever came since then is newer, and holds. */
function lostEnd(row: SessionRow): EndedEvent {
  const [ms = '0', n = '0'] = (row.version ?? '').split('-');
  const nowMs = Date.now();
  return {
    kind: 'ended',
    tenant: row.tenant,
    atMs: nowMs,
    position: `${Number(ms)}-${Number(n)}`,
    levels: [],
    sessionId: row.session_id,
    attempt: row.attempt,
    startedAtMs: Date.parse(row.start_time),
    totals: {},
    user: row.user,
    node: row.node,
    endedAtMs: nowMs,
    reason: 'reconciled',
    note: 'not on the books any more; how it ended was lost',
  };
}
