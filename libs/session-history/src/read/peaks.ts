import { DAY_MS, HOUR_MS } from '#basics';

import { breath } from '../breath.js';
import { DAY, dayOf, HOUR, hourMs, hourOf } from '../model/buckets.js';
import type { LevelScope } from '../model/event.js';
import { timeText } from '../model/row.js';
import type { Database } from '../store/store.js';
import { openHours } from './open-hours.js';
import { sumsIn } from './sums.js';

/** The most sessions that were live at once within an hour. */
export interface HourPeak {
  atMs: number;
  peak: number;
}

/** Whose peak: of everything in the tenant, of a user, of a group. */
export interface PeakOf {
  scope: LevelScope;
  /** The user or group; '' for the total. */
  name: string;
}

/**
 * The peak of each hour from the one that `sinceMs` is in until now, exact: every event carries the counts of its moment, and an hour
 * without events has the level it began with. Hours before anything is known of have 0.
 *
 * A tenant of several shards counts in each for itself: for its total, and for a group in several shards, this is the sum of the shards' peaks,
 * which is as much or more.
 */
export async function hourPeaks(db: Database, tenant: string, of: PeakOf, sinceMs: number, nowMs: number) {
  const series: number[][] = [];
  for (const counter of await countersOf(db, tenant, of)) {
    series.push(await peaksOf(db, tenant, counter, sinceMs, nowMs));
  }
  const first = Math.floor(sinceMs / HOUR_MS) * HOUR_MS;
  const hours = Math.max(0, Math.floor((nowMs - first) / HOUR_MS) + 1);
  return Array.from({ length: hours }, (_, at): HourPeak => {
    return { atMs: first + at * HOUR_MS, peak: series.reduce((sum, peaks) => sum + (peaks[at] ?? 0), 0) };
  });
}

/** The largest of those peaks; of several shards the sum of their largest. */
export async function peakSince(db: Database, tenant: string, of: PeakOf, sinceMs: number): Promise<number> {
  const first = hourOf(timeText(sinceMs));
  let sum = 0;
  for (const { scope, name } of await countersOf(db, tenant, of)) {
    const { peak } = await hoursOf(db, tenant, scope, name)
      .select(({ fn }) => fn.max('peak').as('peak'))
      .where('bucket', '>=', first)
      .executeTakeFirstOrThrow();
    sum += Math.max(peak ?? 0, await levelBefore(db, tenant, scope, name, first));
  }
  return sum;
}

/**
 * The users, or the groups, with the highest peaks in the days from the one that `sinceMs` is in; of those that something happened to.
 * Who is among the highest of all days is among the highest of one of them.
 */
export async function highestPeaks(
  db: Database,
  tenant: string,
  { scope, count }: { scope: 'user' | 'group'; count: number },
  sinceMs: number,
  nowMs: number,
): Promise<{ name: string; peak: number }[]> {
  const highest = new Map<string, number>();
  const first = dayOf(timeText(sinceMs));
  // The open hours first: one that is closed meanwhile is then seen twice, not missed. Groups have none.
  const open = scope === 'user' ? await openHours(db) : [];
  const buckets = open.filter((hour) => hour >= first).map((bucket) => ({ span: HOUR, bucket }));
  for (let ms = Date.parse(first); ms <= nowMs; ms += DAY_MS) buckets.push({ span: DAY, bucket: dayOf(timeText(ms)) });
  for (const bucket of buckets) {
    let listed = sumsIn(db, tenant, scope, bucket)
      .select(['name', 'peak'])
      .where('peak', '>', 0)
      .orderBy('peak', 'desc')
      .limit(count);
    if (scope === 'user') listed = listed.where('rank', 'is not', null); // lets the index of the list serve
    const rows = await listed.execute();
    await breath();
    for (const { name, peak } of rows) highest.set(name, Math.max(peak, highest.get(name) ?? 0));
  }
  const list = [...highest].map(([name, peak]) => ({ name, peak }));
  return list.toSorted((a, b) => b.peak - a.peak || (a.name < b.name ? -1 : 1)).slice(0, count);
}

/** Where the levels of something are counted. */
async function countersOf(db: Database, tenant: string, { scope, name }: PeakOf) {
  if (scope !== 'total') return [{ scope, name }];
  const rows = await db
    .selectFrom('rollups')
    .select('name')
    .distinct()
    .where('tenant', '=', tenant)
    .where('scope', '=', 'shard')
    .where('span', '=', 24)
    .execute();
  return rows.map((row) => ({ scope: 'shard', name: row.name }));
}

/** The hours of a counter in which something happened. */
function hoursOf(db: Database, tenant: string, scope: string, name: string) {
  return db
    .selectFrom('rollups')
    .where('tenant', '=', tenant)
    .where('scope', '=', scope)
    .where('name', '=', name)
    .where('span', '=', 1)
    .where('active', 'is not', null);
}

async function levelBefore(db: Database, tenant: string, scope: string, name: string, hour: string): Promise<number> {
  const hours = hoursOf(db, tenant, scope, name).select('active').where('bucket', '<', hour);
  const before = await hours.orderBy('bucket', 'desc').limit(1).executeTakeFirst();
  return before?.active ?? 0;
}

async function peaksOf(
  db: Database,
  tenant: string,
  { scope, name }: { scope: string; name: string },
  sinceMs: number,
  nowMs: number,
): Promise<number[]> {
  const first = hourOf(timeText(sinceMs));
  const hours = hoursOf(db, tenant, scope, name).select(['bucket', 'peak', 'active']).where('bucket', '>=', first);
  const known = new Map((await hours.execute()).map((row) => [hourMs(row.bucket), row]));
  const peaks = [];
  let level = await levelBefore(db, tenant, scope, name, first);
  for (let at = hourMs(first); at <= nowMs; at += HOUR_MS) {
    const row = known.get(at);
    peaks.push(Math.max(level, row?.peak ?? 0));
    level = row?.active ?? level;
  }
  return peaks;
}
