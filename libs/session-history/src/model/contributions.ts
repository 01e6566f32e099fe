import { destinationName } from './destination.js';
import { isHandedOver, isRefusal, type SessionRow } from './row.js';

/**
 * What is summed per hour: `total` (name ''), each `status`, `reason` of an end, `refusal` (what refused), `user`, `group`, `destination`.
 * `shard` has no sums, only levels.
 */
export type Scope = 'total' | 'status' | 'reason' | 'refusal' | 'user' | 'group' | 'destination' | 'shard';

/** What a row adds to the sums of its hour, the hour of its start. */
export interface Measures {
  /** Rows of the table. */
  entries: number;
  /** Rows that are sessions. One that was handed over goes on as another row, and is counted there: a chain of transfers is one session. */
  sessions: number;
  /** Sessions that have ended. */
  ended: number;
  bytes_sent: number;
  bytes_received: number;
  duration_secs: number;
  refusals: number;
}

export interface Contribution {
  scope: Scope;
  name: string;
  measures: Measures;
}

export const NOTHING: Measures = {
  entries: 0,
  sessions: 0,
  ended: 0,
  bytes_sent: 0,
  bytes_received: 0,
  duration_secs: 0,
  refusals: 0,
};
const NONE: Set<string> = new Set();
const A_SESSION: Measures = { ...NOTHING, entries: 1, sessions: 1 };
const A_ROW: Measures = { ...NOTHING, entries: 1 };

/** All that a row adds, to whichever scopes it is in. Sums are those of the rows and nothing else. */
export function contributionsOf(row: SessionRow): Contribution[] {
  return isRefusal(row) ? ofRefusal(row) : ofSession(row);
}

function ofSession(row: SessionRow): Contribution[] {
  const one = isHandedOver(row) ? A_ROW : A_SESSION;
  const all: Measures = {
    ...one,
    ended: row.end_time === null ? 0 : one.sessions,
    bytes_sent: row.bytes_sent,
    bytes_received: row.bytes_received,
    duration_secs: isHandedOver(row) ? 0 : (row.duration_secs ?? 0),
  };
  const contributions: Contribution[] = [
    { scope: 'total', name: '', measures: all },
    { scope: 'status', name: row.status, measures: one },
  ];
  if (row.close_reason !== null) contributions.push({ scope: 'reason', name: row.close_reason, measures: one });
  if (row.user !== '') contributions.push({ scope: 'user', name: row.user, measures: all });
  for (const name of groupsOf(row)) contributions.push({ scope: 'group', name, measures: all });
  if (row.dest_ip !== '') {
    contributions.push({
      scope: 'destination',
      name: destinationName(row.dest_ip, row.dest_port),
      measures: one,
    });
  }
  return contributions;
}

function ofRefusal(row: SessionRow): Contribution[] {
  const measures = { ...NOTHING, entries: 1, refusals: row.refusals };
  const contributions: Contribution[] = [
    { scope: 'total', name: '', measures },
    { scope: 'status', name: row.status, measures },
    { scope: 'refusal', name: row.refused_by, measures },
  ];
  if (row.user !== '') contributions.push({ scope: 'user', name: row.user, measures });
  for (const name of groupsOf(row)) contributions.push({ scope: 'group', name, measures });
  return contributions;
}

/** The groups that a row counts for: those of a session; of a refusal those whose limits were full. */
export function groupsOf(row: SessionRow): Set<string> {
  if (!isRefusal(row)) return row.groups === '[]' ? NONE : new Set(JSON.parse(row.groups) as string[]);
  const limits = JSON.parse(row.limits ?? '[]') as { scope: string; key: string }[];
  return new Set(limits.flatMap(({ scope, key }) => (scope === 'group' ? [key] : [])));
}
