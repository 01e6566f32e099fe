import type { LiveEvent, LostEvent, RefusedEvent } from '../model/event.js';
import { merge, type RowEvent } from '../model/merge.js';
import { isRefusal, timeText, type RowKey, type SessionRow } from '../model/row.js';

/** What a batch does to one row of the table: `before` null: it is new; `after` null: it is gone. */
export interface RowChange {
  before: SessionRow | null;
  after: SessionRow | null;
  /** The row is new, and its session is not: it was handed over from another id. */
  continues?: LiveEvent['continues'];
}

/**
 * Whether the event's own id names the refusal. A server's refusal may reach the stream more than once, each time with another time, and
 * a sum has no session; a limit's refusal is written once, and the same call may be refused again with the same event id.
 */
export function isNamedByItsEvent(event: RefusedEvent): boolean {
  return event.sessionId === '' || event.limits.length === 0;
}

/** The rows that a batch is about: as they were read, and as its events make them. */
export class Ledger {
  private readonly rows = new Map<string, RowChange>();
  private readonly refusals = new Map<string, string>();

  /** `known` holds every row that the events may be about. */
  constructor(known: readonly SessionRow[]) {
    for (const row of known) {
      const key = textOf(row);
      this.rows.set(key, { before: row, after: row });
      if (isRefusal(row)) this.refusals.set(refusalOf(row, row.event_id), key);
    }
  }

  take(event: RowEvent, key: RowKey): void {
    const named = event.kind === 'refused' && isNamedByItsEvent(event) ? refusalOf(key, event.id) : null;
    const place = (named !== null && this.refusals.get(named)) || textOf(key);
    const change = this.rows.get(place);
    const after = merge(change?.after ?? undefined, key, event);
    if (after === change?.after) return;
    const moved = named === null ? place : textOf(after);
    if (change) change.after = null;
    const there = this.rows.get(moved);
    const continues = event.kind === 'live' ? event.continues : undefined;
    if (there) {
      there.after = there.after ?? after;
      if (there.before === null) there.continues ??= continues;
    } else {
      this.rows.set(moved, { before: null, after, continues });
    }
    if (named !== null) this.refusals.set(named, moved);
  }

  /** Ends the newest row of a session that had not ended at that moment; nothing where there is none, or none any more. */
  end(event: LostEvent): void {
    const endedAt = timeText(event.endedAtMs);
    const open = [...this.rows.values()]
      .flatMap(({ after }) => (after === null || isRefusal(after) || after.status !== 'active' ? [] : [after]))
      .filter((row) => row.tenant === event.tenant && row.session_id === event.sessionId && row.start_time < endedAt)
      .toSorted((a, b) => (a.start_time < b.start_time ? 1 : -1))[0];
    if (open === undefined) return;
    this.take({ ...event, kind: 'ended', attempt: null, startedAtMs: Date.parse(open.start_time) }, open);
  }

  /** What has changed; a row that is as it was read is not among it. */
  changes(): RowChange[] {
    return [...this.rows.values()].filter(({ before, after }) => before !== after && !isSame(before, after));
  }
}

function isSame(a: SessionRow | null, b: SessionRow | null): boolean {
  if (a === null || b === null) return a === b;
  for (const name in a) {
    if (a[name as keyof SessionRow] !== b[name as keyof SessionRow]) return false;
  }
  return true;
}

/** A key as one text. */
export const textOf = ({ tenant, session_id, start_time }: RowKey): string => `${tenant}\n${start_time}\n${session_id}`;

const refusalOf = ({ tenant, session_id }: RowKey, eventId: string): string => `${tenant}\n${session_id}\n${eventId}`;
