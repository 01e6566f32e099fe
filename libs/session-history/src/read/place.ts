import { sql, type RawBuilder } from 'kysely';

import { HOUR_MS } from '#basics';

import { dayOf, hourMs, windowSince } from '../model/buckets.js';
import { timeText } from '../model/row.js';
import type { Database } from '../store/store.js';
import { ALL_TIME, scopeOf, selectionOf, type RowFilter, type Selection } from './filter.js';
import { openHours } from './open-hours.js';
import { isOpen } from './sums.js';

/** A stretch of time, as text [from, until), and how many of the filter's rows began in it. */
interface Stretch {
  from: string;
  until: string;
  rows: number;
  whole: 'hour' | 'day' | null;
}

const DAY_ENDS = 'T24';

/** How many rows a filter lets through: from the sums where they tell, so that it costs the same however many they are. */
export async function countOf(db: Database, tenant: string, filter: RowFilter): Promise<number> {
  if (scopeOf(filter) === null) return await countRows(db, selectionOf(tenant, filter));
  return (await stretchesOf(db, tenant, filter)).reduce((sum, { rows }) => sum + rows, 0);
}

/** Where the row number `offset` in the order of the start is to be looked for: from which time on, and after how many rows. */
export async function placeOf(db: Database, tenant: string, filter: RowFilter, offset: number, descending: boolean) {
  if (scopeOf(filter) === null) return { bound: null, offset };
  const days = await stretchesOf(db, tenant, filter);
  const day = skip(days, offset, descending);
  if (!day?.stretch.whole || day.stretch.whole === 'hour') return bounded(day, descending);
  const hours = await hoursOf(db, tenant, filter, day.stretch);
  return bounded(skip(hours, day.offset, descending) ?? day, descending);
}

function skip(stretches: readonly Stretch[], offset: number, descending: boolean) {
  let left = offset;
  for (const stretch of descending ? stretches.toReversed() : stretches) {
    if (left < stretch.rows) return { stretch, offset: left };
    left -= stretch.rows;
  }
  return null;
}

function bounded(found: { stretch: Stretch; offset: number } | null, descending: boolean) {
  if (!found) return null;
  const { from, until } = found.stretch;
  const bound: RawBuilder<unknown> = descending ? sql`start_time < ${until}` : sql`start_time >= ${from}`;
  return { bound, offset: found.offset };
}

/** The filter's time, oldest first: what is left of the first hour, the hours of the first day, days; of a last day that is no whole one the same. */
async function stretchesOf(db: Database, tenant: string, filter: RowFilter): Promise<Stretch[]> {
  const stretches = await stretchesSince(db, tenant, filter);
  if (filter.untilMs === undefined) return stretches;
  const end = timeText(filter.untilMs);
  const begun = (some: readonly Stretch[]) => some.filter(({ from }) => from < end);
  const kept = begun(stretches);
  const day = kept.at(-1);
  if (day?.whole === 'day' && day.until > end) kept.splice(-1, 1, ...begun(await hoursOf(db, tenant, filter, day)));
  const last = kept.at(-1);
  if (last !== undefined && last.until > end)
    kept.splice(-1, 1, await countedStretch(db, tenant, filter, last.from, end));
  return kept;
}

async function stretchesSince(db: Database, tenant: string, filter: RowFilter): Promise<Stretch[]> {
  const window = filter.sinceMs === undefined ? ALL_TIME : windowSince(filter.sinceMs);
  const first: Stretch[] = [];
  if (filter.sinceMs !== undefined && window.since < window.rowsUntil) {
    first.push(await countedStretch(db, tenant, filter, window.since, window.rowsUntil));
  }
  const whole = sql`(span = 1 and bucket >= ${window.firstHour} and bucket < ${window.hoursUntil} or span = 24 and bucket >= ${window.firstDay})`;
  const buckets = await bucketsOf(db, tenant, filter, whole);
  if (scopeOf(filter)?.scope !== 'user') return [...first, ...buckets];
  const open = (await openHours(db)).filter((hour) => hour >= window.hoursUntil);
  const added = await bucketsOf(db, tenant, filter, isOpen(open));
  return [...first, ...merged([...buckets, ...added.map(({ from, rows }) => dayStretch(dayOf(from), rows))])];
}

/** What an open hour holds is its day's. */
function merged(stretches: readonly Stretch[]): Stretch[] {
  const all = new Map<string, Stretch>();
  for (const stretch of stretches) {
    const rows = stretch.rows + (all.get(stretch.from)?.rows ?? 0);
    all.set(stretch.from, { ...stretch, rows });
  }
  return [...all.values()].toSorted((a, b) => (a.from < b.from ? -1 : 1));
}

async function hoursOf(db: Database, tenant: string, filter: RowFilter, { from, until }: Stretch) {
  return await bucketsOf(db, tenant, filter, sql`span = 1 and bucket >= ${from} and bucket < ${until}`);
}

async function bucketsOf(db: Database, tenant: string, filter: RowFilter, which: RawBuilder<unknown>) {
  const { scope, name } = scopeOf(filter) ?? { scope: 'total', name: '' };
  const { rows } = await sql<{
    span: number;
    bucket: string;
    rows: number;
  }>`select span, bucket, entries as rows from rollups
    where tenant = ${tenant} and scope = ${scope} and name = ${name} and ${which} and entries > 0 order by bucket`.execute(
    db,
  );
  return rows.map(({ span, bucket, rows: count }): Stretch => {
    if (span === 24) return dayStretch(bucket, count);
    const end = timeText(hourMs(bucket) + HOUR_MS);
    return { from: bucket, until: end, rows: count, whole: 'hour' };
  });
}

const dayStretch = (day: string, rows: number): Stretch => ({ from: day, until: day + DAY_ENDS, rows, whole: 'day' });

async function countedStretch(db: Database, tenant: string, filter: RowFilter, from: string, until: string) {
  const { from: source, where } = selectionOf(tenant, filter);
  const within = sql<boolean>`${where} and start_time >= ${from} and start_time < ${until}`;
  return { from, until, rows: await countRows(db, { from: source, where: within }), whole: null };
}

async function countRows(db: Database, { from, where }: Selection): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from ${from} where ${where}`.execute(db);
  return rows[0]?.count ?? 0;
}
