import { InvalidInputError } from '#session-core';
import { sql, type RawBuilder } from 'kysely';

import type { Window } from '../model/buckets.js';
import { STATUSES, timeText, type Status } from '../model/row.js';
import { tenantIs } from './sums.js';

/** Which rows: those that began since then, of this user, to this host, with this status. What is absent lets everything through. */
export interface HistoryFilter {
  sinceMs?: number | undefined;
  user?: string | undefined;
  destIp?: string | undefined;
  status?: Status | undefined;
}

export function isStatus(word: string): word is Status {
  return STATUSES.includes(word as Status);
}

/**
 * The filter as SQL. The condition that leaves the fewest is put so that its index serves, which has the rows in the order of their start
 * as well; the others so that theirs do not.
 */
export function conditionOf(tenant: string, { sinceMs, user, destIp, status }: HistoryFilter): RawBuilder<boolean> {
  const parts: RawBuilder<unknown>[] = [];
  const add = (column: string, value: string | undefined) => {
    if (value === undefined) return;
    const ref = sql.ref(`sessions.${column}`);
    parts.push(parts.length === 0 ? sql`${ref} = ${value}` : sql`(${ref} || '') = ${value}`);
  };
  add('user', user);
  add('dest_ip', destIp);
  add('status', status);
  parts.push(parts.length === 0 ? tenantIs(tenant) : sql`sessions.tenant = ${tenant}`);
  if (sinceMs !== undefined) parts.push(sql`sessions.start_time >= ${timeText(sinceMs)}`);
  return sql<boolean>`${sql.join(parts, sql` and `)}`;
}

/** What rows can be sorted by, and the SQL that orders them; of these only `start_time` needs no sorting. */
export const SORTS = {
  start_time: 'start_time',
  end_time: "coalesce(end_time, '')",
  duration_seconds: 'coalesce(duration_secs, -1)',
  bytes_sent: 'bytes_sent',
  bytes_received: 'bytes_received',
  user: '"user"',
  status: 'status',
  dest_ip: 'dest_ip',
} as const;
export type Sort = keyof typeof SORTS;

/** Throws InvalidInputError for a column that rows cannot be sorted by. */
export function sortNamed(word: string): Sort {
  if (Object.hasOwn(SORTS, word)) return word as Sort;
  throw new InvalidInputError('sort_by', `must be one of ${Object.keys(SORTS).join(', ')}`);
}

/** The scope whose sums count the rows of a filter; null where only the rows themselves do. */
export function scopeOf({
  user,
  destIp,
  status,
}: HistoryFilter): { scope: 'total' | 'user' | 'status'; name: string } | null {
  if (destIp !== undefined || (user !== undefined && status !== undefined)) return null;
  if (user !== undefined) return user === '' ? null : { scope: 'user', name: user };
  return status === undefined ? { scope: 'total', name: '' } : { scope: 'status', name: status };
}

export const ALL_TIME: Window = {
  since: '',
  rowsUntil: '',
  firstHour: '',
  firstDay: '',
  hoursUntil: '',
};
