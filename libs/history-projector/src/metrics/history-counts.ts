import type { RowChange, SessionRow } from '#session-history';

/** What the rows of one committed batch add to counters. A repeated event changes no row, so that it is counted nowhere. */
export interface HistoryCounts {
  /** Sessions that began. */
  sessions: number;
  /** Refusals, each one of a sum. */
  rejected: number;
  /** Below 0 where a session took along what was counted already; see `Growing`. */
  bytesSent: number;
  bytesReceived: number;
  /** How long those lasted that ended, seconds; one that came back after the loss of its node ends twice. */
  durations: number[];
}

/** What one user has of that. A session that changes its user is one of the new user's too; traffic is that of who has the session now. */
export interface UserCounts {
  tenant: string;
  user: string;
  sessions: number;
  bytesSent: number;
  bytesReceived: number;
}

export function countsOf(changes: readonly RowChange[]): HistoryCounts {
  const counts: HistoryCounts = {
    sessions: 0,
    rejected: refusalsIn(changes),
    bytesSent: 0,
    bytesReceived: 0,
    durations: [],
  };
  for (const { before, after, continues } of sessionsIn(changes)) {
    if (before === null && continues === undefined) counts.sessions += 1;
    counts.bytesSent += grown(before, after, 'bytes_sent');
    counts.bytesReceived += grown(before, after, 'bytes_received');
    const ends = after.end_time !== null && after.close_reason !== 'transferred';
    if (ends && (before === null || before.end_time === null)) counts.durations.push(secondsOf(after));
  }
  return counts;
}

export function userCountsOf(changes: readonly RowChange[]): UserCounts[] {
  const users = new Map<string, UserCounts>();
  for (const { before, after, continues } of sessionsIn(changes)) {
    const { tenant, user } = after;
    if (user === '') continue;
    const key = `${tenant}\n${user}`;
    const counts = users.get(key) ?? { tenant, user, sessions: 0, bytesSent: 0, bytesReceived: 0 };
    if (before === null ? continues !== 'same user' : before.user !== user) counts.sessions += 1;
    counts.bytesSent += grown(before, after, 'bytes_sent');
    counts.bytesReceived += grown(before, after, 'bytes_received');
    users.set(key, counts);
  }
  return [...users.values()];
}

/** The rows that are sessions now; what was a refusal before, or nothing, is null. */
function sessionsIn(changes: readonly RowChange[]): (RowChange & { after: SessionRow })[] {
  return changes.flatMap(({ before, after, continues }) => {
    if (after === null || after.refusals > 0) return [];
    return [{ before: before !== null && before.refusals === 0 ? before : null, after, continues }];
  });
}

/** A refusal of which an earlier time became known leaves its row for another one: the two changes are one refusal. */
function refusalsIn(changes: readonly RowChange[]): number {
  const byEvent = new Map<string, number>();
  for (const { before, after } of changes) {
    for (const [row, sign] of [
      [before, -1],
      [after, 1],
    ] as const) {
      if (row === null || row.refusals === 0) continue;
      const key = `${row.tenant}\n${row.event_id}`;
      byEvent.set(key, (byEvent.get(key) ?? 0) + sign * row.refusals);
    }
  }
  return [...byEvent.values()].reduce((sum, count) => sum + Math.max(0, count), 0);
}

/**
 * A later attempt in the same millisecond takes the row over with totals of its own, so that they may fall. What a session takes along when it is
 * handed over is taken from its old row, so that it is not counted again with the new one.
 */
function grown(before: SessionRow | null, after: SessionRow, name: 'bytes_sent' | 'bytes_received'): number {
  const more = after[name] - (before?.[name] ?? 0);
  return after.close_reason === 'transferred' ? more : Math.max(0, more);
}

/** To the millisecond, which the column `duration_secs` is not. */
function secondsOf({ start_time: start, end_time: end }: SessionRow): number {
  return end === null ? 0 : Math.max(0, Date.parse(end) - Date.parse(start)) / 1_000;
}

/** So many are owed anything at a time; of more, the one that was least lately. */
const REMEMBERED = 20_000;

/** What may be added to counters, which never fall: what was taken away is first made up for. */
export class Growing {
  private readonly owed = new Map<string, number>();

  take(name: string, amount: number): number {
    const left = (this.owed.get(name) ?? 0) + amount;
    this.owed.delete(name);
    if (left < 0) this.owed.set(name, left);
    if (this.owed.size > REMEMBERED) this.owed.delete(this.owed.keys().next().value!);
    return Math.max(0, left);
  }
}
