import { sql, type RawBuilder } from 'kysely';

import type { Window } from '../model/buckets.js';
import { COLUMN_NAMES, timeText, type SessionRow, type Status } from '../model/row.js';
import type { Store } from '../store/store.js';
import { tenantIs } from './sums.js';

/**
 * Which rows: those that began within [sinceMs, untilMs), of this session, call, user, group, source address, destination host, node and status. Of
 * a session its groups count, of a refusal those whose limits were full. `nodes`: on a node that one of these patterns names (`*` stands for any
 * characters). What is absent lets everything through.
 */
export interface HistoryFilter {
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
  sessionId?: string | undefined;
  correlationId?: string | undefined;
  user?: string | undefined;
  sourceIp?: string | undefined;
  /** `kind:name` */
  group?: string | undefined;
  destIp?: string | undefined;
  node?: string | undefined;
  status?: Status | undefined;
  nodes?: readonly string[] | undefined;
}

/** A filter as one of the databases is asked. */
export type RowFilter = Omit<HistoryFilter, 'nodes'> & { onNodes?: RawBuilder<boolean> | undefined };

/** No index answers for patterns of nodes: each row of the filter's time is looked at. */
export function rowFilter<T extends HistoryFilter>(
  store: Store,
  { nodes, ...filter }: T,
): Omit<T, 'nodes'> & RowFilter {
  if (nodes === undefined) return filter;
  const named = nodes.map((pattern) => store.matches(sql.ref('sessions.node'), pattern));
  // A row without a node is nobody's, also where the pattern is `*`.
  return { ...filter, onNodes: sql<boolean>`sessions.node <> '' and (${sql.join([sql`1 = 0`, ...named], sql` or `)})` };
}

/** What a filter may name, with its column: first what leaves the fewest rows. Each has an index with the tenant and the start, or is in the key. */
const INDEXED = [
  ['sessionId', 'session_id'],
  ['correlationId', 'correlation_id'],
  ['user', 'user'],
  ['sourceIp', 'source_ip'],
  ['group', null],
  ['destIp', 'dest_ip'],
  ['node', 'node'],
  ['status', 'status'],
] as const satisfies readonly (readonly [keyof HistoryFilter, keyof SessionRow | null])[];

/** Rows of a filter as SQL: what stands behind `from` and behind `where`. The table is called `sessions`. */
export interface Selection {
  from: RawBuilder<unknown>;
  where: RawBuilder<boolean>;
}

/**
 * The filter as SQL. The condition that leaves the fewest is put so that its index serves, which has the rows in the order of their start
 * as well; the others so that theirs do not.
 */
export function selectionOf(tenant: string, filter: RowFilter): Selection {
  const { sinceMs, untilMs } = filter;
  const [first, ...others] = INDEXED.filter(([name]) => filter[name] !== undefined);
  const isByGroup = first?.[0] === 'group';
  const parts: RawBuilder<unknown>[] = [];
  if (first?.[1]) parts.push(sql`${sql.ref(`sessions.${first[1]}`)} = ${filter[first[0]]}`);
  parts.push(...others.map((named) => withoutIndex(filter, named)));
  if (!isByGroup) parts.push(first === undefined ? tenantIs(tenant) : sql`sessions.tenant = ${tenant}`);
  if (sinceMs !== undefined) parts.push(sql`sessions.start_time >= ${timeText(sinceMs)}`);
  if (untilMs !== undefined) parts.push(sql`sessions.start_time < ${timeText(untilMs)}`);
  return {
    from: isByGroup ? sql`(${rowsOfGroup(tenant, filter.group)}) as sessions` : sql`sessions`,
    where: allOf(parts, filter),
  };
}

/** The filter as SQL that no index serves: for rows that are found by something else. */
export function conditionsOf(filter: RowFilter): RawBuilder<boolean> {
  const { sinceMs, untilMs } = filter;
  const parts = INDEXED.filter(([name]) => filter[name] !== undefined).map((named) => withoutIndex(filter, named));
  if (sinceMs !== undefined) parts.push(sql`(sessions.start_time || '') >= ${timeText(sinceMs)}`);
  if (untilMs !== undefined) parts.push(sql`(sessions.start_time || '') < ${timeText(untilMs)}`);
  return allOf(parts, filter);
}

function withoutIndex(filter: RowFilter, [name, column]: (typeof INDEXED)[number]): RawBuilder<unknown> {
  const value = filter[name];
  return column === null
    ? sql`exists (${membership(value)})`
    : sql`(${sql.ref(`sessions.${column}`)} || '') = ${value}`;
}

function allOf(parts: readonly RawBuilder<unknown>[], { onNodes }: RowFilter): RawBuilder<boolean> {
  return sql<boolean>`${sql.join([sql`1 = 1`, ...parts, ...(onNodes === undefined ? [] : [onNodes])], sql` and `)}`;
}

const OF_MEMBER: ReadonlySet<string> = new Set(['start_time', 'session_id']);
const MEMBER_COLUMNS = sql.raw(COLUMN_NAMES.map((name) => `${OF_MEMBER.has(name) ? 'g' : 's'}."${name}"`).join(', '));

/** The rows of a group; read in the order of their start they cost as much as there are of them on the page. `cross`: SQLite keeps the order. */
function rowsOfGroup(tenant: string, group: unknown): RawBuilder<unknown> {
  return sql`select ${MEMBER_COLUMNS} from session_groups as g cross join sessions as s where g.tenant = ${tenant} and g.name = ${group}
    and s.tenant = g.tenant and s.session_id = g.session_id and s.start_time = g.start_time`;
}

const membership = (group: unknown) =>
  sql`select 1 from session_groups as g where g.tenant = sessions.tenant and g.name = ${group}
    and g.start_time = sessions.start_time and g.session_id = sessions.session_id`;

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

/** Of these names sums are kept that count their rows. */
const SUMMED = ['user', 'group', 'status'] as const;

/** The scope whose sums count the rows of a filter; null where only the rows themselves do. */
export function scopeOf(filter: RowFilter): { scope: 'total' | (typeof SUMMED)[number]; name: string } | null {
  if (filter.onNodes !== undefined) return null;
  const named = INDEXED.flatMap(([name]) => (filter[name] === undefined ? [] : [name]));
  const [only] = named;
  if (only === undefined) return { scope: 'total', name: '' };
  const scope = SUMMED.find((one) => one === only);
  const name = scope && filter[scope];
  return named.length > 1 || scope === undefined || !name ? null : { scope, name };
}

export const ALL_TIME: Window = {
  since: '',
  rowsUntil: '',
  firstHour: '',
  firstDay: '',
  hoursUntil: '',
};
