import { sql, type RawBuilder } from 'kysely';

import type { Window } from '../model/buckets.js';
import { timeText, type Status } from '../model/row.js';
import type { Store } from '../store/store.js';
import { tenantIs } from './sums.js';

/**
 * Which rows: those that began since then, of this user, to this host, with this status, on a node that one of these patterns names (`*`
 * stands for any characters). What is absent lets everything through.
 */
export interface HistoryFilter {
  sinceMs?: number | undefined;
  user?: string | undefined;
  destIp?: string | undefined;
  status?: Status | undefined;
  nodes?: readonly string[] | undefined;
}

/** A filter as one of the databases is asked. */
export type RowFilter = Omit<HistoryFilter, 'nodes'> & { onNodes?: RawBuilder<boolean> | undefined };

/** No index answers for nodes: each row of the filter's time is looked at. */
export function rowFilter<T extends HistoryFilter>(
  store: Store,
  { nodes, ...filter }: T,
): Omit<T, 'nodes'> & RowFilter {
  if (nodes === undefined) return filter;
  const named = nodes.map((pattern) => store.matches(sql.ref('sessions.node'), pattern));
  // A row without a node is nobody's, also where the pattern is `*`.
  return { ...filter, onNodes: sql<boolean>`sessions.node <> '' and (${sql.join([sql`1 = 0`, ...named], sql` or `)})` };
}

/**
 * The filter as SQL. The condition that leaves the fewest is put so that its index serves, which has the rows in the order of their start
 * as well; the others so that theirs do not.
 */
export function conditionOf(
  tenant: string,
  { sinceMs, user, destIp, status, onNodes }: RowFilter,
): RawBuilder<boolean> {
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
  if (onNodes !== undefined) parts.push(onNodes);
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

/** The scope whose sums count the rows of a filter; null where only the rows themselves do. */
export function scopeOf({
  user,
  destIp,
  status,
  onNodes,
}: RowFilter): { scope: 'total' | 'user' | 'status'; name: string } | null {
  if (onNodes !== undefined || destIp !== undefined || (user !== undefined && status !== undefined)) return null;
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
