import { sql, type RawBuilder } from 'kysely';

import type { Window } from '../model/buckets.js';
import type { Measures, Scope } from '../model/contributions.js';
import type { Database } from '../store/store.js';

/** A name of a scope, and what its rows sum up to in a window. */
export type Sums = { name: string } & Measures;

const MEASURES = ['entries', 'sessions', 'ended', 'bytes_sent', 'bytes_received', 'duration_secs', 'refusals'] as const;
const COLUMNS = sql.raw(MEASURES.join(', '));

/** Whole hours and days of a window, of one scope and of one name, or of a list of names, or of all. `open`: of users and destinations, `openHours`. */
export function wholeBuckets(
  tenant: string,
  scope: Scope,
  { firstHour, firstDay, hoursUntil }: Window,
  open: readonly string[],
  names: RawBuilder<unknown> = sql``,
): RawBuilder<unknown> {
  const of = sql`select name, ${COLUMNS} from rollups where tenant = ${tenant} and scope = ${scope} ${names}`;
  return sql`${of} and span = 1 and bucket >= ${firstHour} and bucket < ${hoursUntil}
    union all ${of} and span = 24 and bucket >= ${firstDay}
    union all ${of} and ${isOpen(open.filter((hour) => hour >= hoursUntil))}`;
}

/** An hour of these that is not yet in the sums of its day. */
export function isOpen(open: readonly string[]): RawBuilder<boolean> {
  return open.length === 0 ? sql`1 = 0` : sql`span = 1 and bucket in (${sql.join(open)}) and rank is not null`;
}

/**
 * The rows of a window that began before its first whole hour, as they would be summed. `name` is SQL for the name that each counts
 * for; `which` narrows them down, and begins with the condition on the tenant.
 */
export function singleRows(
  { since, rowsUntil }: Pick<Window, 'since' | 'rowsUntil'>,
  name: RawBuilder<unknown>,
  which: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const isSession = sql`(refusals = 0 and coalesce(close_reason, '') <> 'transferred')`;
  return sql`select ${name} as name, 1 as entries, case when ${isSession} then 1 else 0 end as sessions,
    case when ${isSession} and end_time is not null then 1 else 0 end as ended, bytes_sent, bytes_received,
    case when ${isSession} then coalesce(duration_secs, 0) else 0 end as duration_secs, refusals
    from sessions where ${which} and start_time >= ${since} and start_time < ${rowsUntil}`;
}

/** By name. Sums that nobody can have meant to be exact (above 2^53) are rounded, never an error. */
export async function sumByName(db: Database, parts: readonly RawBuilder<unknown>[]): Promise<Sums[]> {
  const sums = MEASURES.map((name) => sql`cast(sum(1.0 * ${sql.ref(name)}) as double precision) as ${sql.ref(name)}`);
  const { rows } = await sql<Sums>`select name, ${sql.join(sums)} from (${sql.join(parts, sql` union all `)}) as parts
    group by name`.execute(db);
  return rows;
}

/** The sums of a bucket, one for each name of the scope. */
export const sumsIn = (
  db: Database,
  tenant: string,
  scope: Scope,
  { span, bucket }: { span: number; bucket: string },
) =>
  db
    .selectFrom('rollups')
    .where('tenant', '=', tenant)
    .where('scope', '=', scope)
    .where('span', '=', span)
    .where('bucket', '=', bucket);

/** Keeps the planner from looking for the tenant by the key: most databases have one, and its rows in no order are no help. */
export const tenantIs = (tenant: string): RawBuilder<boolean> => sql<boolean>`(sessions.tenant || '') = ${tenant}`;
