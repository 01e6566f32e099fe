import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { History } from '#history-projector';
import { assertMaySpeakForNode, mayReadOf, ProblemException, type Principal } from '#service-kit';
import { Books, SessionStore, type EndedSession, type Session, type UnreadableSession } from '#session-core';
import { MAX_PAGE_SIZE, rowWith, type EndedEvent, type Gap, type SessionRow } from '#session-history';

/** All that is known of a session id. */
export interface SessionAttempts {
  /** By the books. */
  live: Session[];
  unreadable: UnreadableSession[];
  /** By history, and what ended a moment ago by its tombstone; the newest first. Each is here or among the live ones. */
  ended: SessionRow[];
  /** By history, the newest first. */
  refusals: SessionRow[];
  /** How many rows history has of the id; `ended` and `refusals` are of the newest 1,000. */
  rows: number;
  gaps: readonly Gap[];
}

interface InHistory {
  rows: readonly SessionRow[];
  total: number;
}

const NOTHING: InHistory = { rows: [], total: 0 };
/** Behind every event: what the tombstone says is the newest. */
const LAST_POSITION = `${'9'.repeat(14)}-0`;

/** Every attempt of a session id: the live ones by the books, what has ended and what was refused by history. */
@Injectable()
export class SessionAttemptsService {
  constructor(
    private readonly store: SessionStore,
    private readonly books: Books,
    private readonly history: History,
  ) {}

  /**
   * What the caller may see of the id; where no history is kept, what the books have. Throws `session-unknown` where there is nothing, `forbidden`
   * where there is something and none of it on a node of the bound key, and HistoryUnavailableError: the books alone would look like the whole.
   */
  async of(tenant: TenantConfig, sessionId: string, caller: Principal): Promise<SessionAttempts> {
    // The books first: what ends after that has its end in history, or its tombstone.
    const { sessions, unreadable } = await this.books.sessionsNamed(tenant, [sessionId]);
    const { rows, total } = await this.inHistory(tenant, sessionId, caller.nodes ?? undefined);
    const justEnded = sessions.length + unreadable.length === 0 ? await this.tombstone(tenant, sessionId) : null;
    const isSeen = ({ node }: Session) => mayReadOf(caller, node);
    const over = new Set(rows.filter(({ status }) => status !== 'active').map(startOfRow));
    const live = sessions.filter((one) => isSeen(one) && !over.has(one.startedAtMs));
    const ended = endedOf(rows, new Set(live.map(({ startedAtMs }) => startedAtMs)), justEnded?.filter(isSeen));
    const refusals = rows.filter((row) => row.refusals > 0);
    const seen = caller.nodes === null ? unreadable : [];
    if (live.length + seen.length + ended.length + refusals.length === 0) {
      const known = sessions.length + unreadable.length + (justEnded?.length ?? 0);
      if (known > 0 || (await this.inHistory(tenant, sessionId)).total > 0) assertMaySpeakForNode(caller, null);
      throw new ProblemException('session-unknown', 'No session and no refusal is known that has this id');
    }
    const gaps = this.history.settings === null ? [] : await this.history.readable.gaps(tenant.name);
    return { live, unreadable: seen, ended, refusals, rows: total, gaps };
  }

  /** Whether history is kept, so that what has ended is shown longer than its tombstone lasts. */
  get isKept(): boolean {
    return this.history.settings !== null;
  }

  private async inHistory(tenant: TenantConfig, sessionId: string, nodes?: readonly string[]): Promise<InHistory> {
    if (!this.isKept) return NOTHING;
    return await this.history.readable.history(tenant.name, { sessionId, nodes, pageSize: MAX_PAGE_SIZE });
  }

  /** Of an id that is not live: its last attempt, while that is remembered. One that nobody saw begin is none. */
  private async tombstone(tenant: TenantConfig, sessionId: string): Promise<EndedSession[]> {
    const found = await this.store.get(tenant, { sessionId });
    return found.kind === 'ended' && found.session !== null && found.session.startedAtMs > 0 ? [found.session] : [];
  }
}

const startOfRow = (row: SessionRow): number => Date.parse(row.start_time);

/** Sessions of history that are not live, the newest first; what history has not heard of yet as its tombstone has it. */
function endedOf(
  rows: readonly SessionRow[],
  live: ReadonlySet<number>,
  justEnded: readonly EndedSession[] = [],
): SessionRow[] {
  const ended = new Map<number, SessionRow>();
  for (const row of rows) if (row.refusals === 0 && !live.has(startOfRow(row))) ended.set(startOfRow(row), row);
  for (const one of justEnded) {
    const known = ended.get(one.startedAtMs);
    if (known === undefined || known.status === 'active') ended.set(one.startedAtMs, rowWith(known, endOf(one)));
  }
  return [...ended].toSorted(([a], [b]) => b - a).map(([, row]) => row);
}

function endOf(session: EndedSession): EndedEvent {
  const { id: sessionId, tenant, attempt, user, startedAtMs, endedAtMs, endReason: reason, endedBy } = session;
  const { bytesSent, bytesReceived, packetsSent, packetsReceived } = session;
  return {
    kind: 'ended',
    tenant,
    atMs: endedAtMs,
    position: LAST_POSITION,
    levels: [],
    sessionId,
    attempt,
    user,
    node: session.node ?? '',
    startedAtMs,
    endedAtMs,
    reason,
    note: session.note ?? '',
    by: endedBy ?? undefined,
    totals: { bytesSent, bytesReceived, packetsSent, packetsReceived },
  };
}
