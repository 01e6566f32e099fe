import { sql, type RawBuilder } from 'kysely';

import { DAY_MS } from '#basics';

import { dayOf, hourOf, type Window } from '../model/buckets.js';
import { NOTHING } from '../model/contributions.js';
import { timeText } from '../model/row.js';
import type { Database, Store } from '../store/store.js';
import { singleRows, sumByName, sumsIn, tenantIs, wholeBuckets, type Sums } from './sums.js';

/** Of which the most are looked for: users by bytes, destinations by sessions. */
export type RankedScope = 'user' | 'destination';

/** A window of so few rows is summed row by row. */
const FEW_ROWS = 4_000;
/** Up to so many days a window is covered by the lists of its days, above by the list of all time. */
const LISTED_DAYS = 9;
/** How far down the lists are read, one after the other, before everything is summed instead. */
const DEPTHS = [128, 1_024, 8_192];
/** How many are summed at once, and how many in all before summing everything is cheaper. */
const SUMMED_AT_ONCE = 64;
const MAX_SUMMED = 8_192;

/** Later than any time, as text. */
const END = '~';

const RANK: Record<RankedScope, (sums: Sums) => number> = {
  user: ({ bytes_sent, bytes_received }) => bytes_sent + bytes_received,
  destination: ({ sessions }) => sessions,
};

/**
 * The `count` largest of a window of `entries` rows, exactly; which of equals are among them is open.
 *
 * Nobody is larger in the window than in the days that cover it together, or than ever; what is in an open hour is not yet in these, and counts
 * besides. So the tops of those lists say how large each can be at
 * most; the window itself is summed for those who can be the largest, one after the other, until nobody who is left can be larger than
 * the last of the chosen. Without this, the most of 90 days would mean adding up millions of sums.
 */
export async function mostOf(
  db: Database,
  store: Store,
  tenant: string,
  scope: RankedScope,
  window: Window,
  { count, entries, open }: { count: number; entries: number; open: readonly string[] },
): Promise<Sums[]> {
  if (entries <= FEW_ROWS) return await mostOfRows(db, tenant, scope, window, count);
  const lists = coveringLists(window, open);
  const summed = new Map<string, Sums>();
  let chosen: Sums[] = [];
  const isBeaten = (bound: number) => {
    const last = chosen[count - 1];
    return last !== undefined && RANK[scope](last) >= bound;
  };
  for (const depth of DEPTHS) {
    const tops = [];
    for (const list of lists) tops.push(await topOf(db, tenant, scope, list, depth));
    const bounds = boundsOf(tops).filter(({ name }) => !summed.has(name));
    for (let at = 0; at < bounds.length && !isBeaten(bounds[at]?.bound ?? 0); at += SUMMED_AT_ONCE) {
      if (summed.size >= MAX_SUMMED) return await mostOfAll(db, tenant, scope, window, open, count);
      const names = bounds.slice(at, at + SUMMED_AT_ONCE).map(({ name }) => name);
      for (const name of names) summed.set(name, { ...NOTHING, name });
      for (const sums of await sumsOf(db, store, tenant, scope, window, open, names)) summed.set(sums.name, sums);
      chosen = largest([...summed.values()], scope, count);
    }
    if (tops.every(({ whole }) => whole) || isBeaten(sumOf(tops))) return chosen;
  }
  return await mostOfAll(db, tenant, scope, window, open, count);
}

async function mostOfRows(db: Database, tenant: string, scope: RankedScope, { since }: Window, count: number) {
  const rows = sql`${tenantIs(tenant)} and ${IS_SESSION_OF[scope]}`;
  return largest(await sumByName(db, [singleRows({ since, rowsUntil: END }, NAME[scope], rows)]), scope, count);
}

async function mostOfAll(
  db: Database,
  tenant: string,
  scope: RankedScope,
  window: Window,
  open: readonly string[],
  count: number,
) {
  const rows = sql`${tenantIs(tenant)} and ${IS_SESSION_OF[scope]}`;
  const all = await sumByName(db, [wholeBuckets(tenant, scope, window, open), singleRows(window, NAME[scope], rows)]);
  return largest(all, scope, count);
}

/** The beginning of a list: who is in it with what, and what those below it have at most. */
interface Top {
  ranks: Map<string, number>;
  whole: boolean;
  least: number;
}

const sumOf = (tops: readonly Top[]) => tops.reduce((sum, { least }) => sum + least, 0);

/** What each name can have at most, the largest first. */
function boundsOf(tops: readonly Top[]): { name: string; bound: number }[] {
  const below = sumOf(tops);
  const bounds = new Map<string, number>();
  for (const { ranks, least } of tops) {
    for (const [name, rank] of ranks) bounds.set(name, (bounds.get(name) ?? below) + rank - least);
  }
  return [...bounds].map(([name, bound]) => ({ name, bound })).toSorted((a, b) => b.bound - a.bound);
}

/** Spans and buckets whose rows together hold all that the window holds. */
function coveringLists({ since }: Window, open: readonly string[]): { span: number; bucket: string }[] {
  const hours = open.map((bucket) => ({ span: 1, bucket })).filter(({ bucket }) => bucket >= hourOf(since));
  const days = [];
  for (let ms = Date.parse(since); ms < Date.now() + DAY_MS; ms += DAY_MS) {
    days.push({ span: 24, bucket: dayOf(timeText(ms)) });
    if (days.length > LISTED_DAYS) return [{ span: 0, bucket: '' }, ...hours];
  }
  return [...days, ...hours];
}

async function topOf(
  db: Database,
  tenant: string,
  scope: RankedScope,
  bucket: { span: number; bucket: string },
  depth: number,
): Promise<Top> {
  const rows = await sumsIn(db, tenant, scope, bucket)
    .select(['name', 'rank'])
    .where('rank', 'is not', null)
    .orderBy('rank', 'desc')
    .orderBy('sessions', 'desc')
    .limit(depth)
    .execute();
  const whole = rows.length < depth;
  const ranks = new Map(rows.map(({ name, rank }) => [name, rank ?? 0]));
  return { ranks, whole, least: whole ? 0 : (rows.at(-1)?.rank ?? 0) };
}

const NAME: Record<RankedScope, RawBuilder<unknown>> = {
  user: sql`"user"`,
  destination: sql`(case when dest_ip like '%:%' then '[' || dest_ip || ']' else dest_ip end || ':' || dest_port)`,
};
const IS_SESSION_OF: Record<RankedScope, RawBuilder<unknown>> = {
  user: sql`"user" <> ''`,
  destination: sql`dest_ip <> '' and refusals = 0`,
};

async function sumsOf(
  db: Database,
  store: Store,
  tenant: string,
  scope: RankedScope,
  window: Window,
  open: readonly string[],
  names: readonly string[],
): Promise<Sums[]> {
  const chosen = sql`(select r.value->>0 from ${store.elements(JSON.stringify(names.map((name) => [name])))})`;
  // The rows of each user are found by the index of users, those of destinations by their time.
  const ofTenant = scope === 'user' ? sql`sessions.tenant = ${tenant}` : tenantIs(tenant);
  return await sumByName(db, [
    wholeBuckets(tenant, scope, window, open, sql`and name in ${chosen}`),
    singleRows(window, NAME[scope], sql`${ofTenant} and ${IS_SESSION_OF[scope]} and ${NAME[scope]} in ${chosen}`),
  ]);
}

function largest(sums: Sums[], scope: RankedScope, count: number): Sums[] {
  return sums
    .filter(({ sessions }) => sessions > 0)
    .toSorted((a, b) => RANK[scope](b) - RANK[scope](a) || b.sessions - a.sessions || (a.name < b.name ? -1 : 1))
    .slice(0, count);
}
