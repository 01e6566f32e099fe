import { sql, type RawBuilder } from 'kysely';

import { HOUR_MS } from '#basics';

import { DAY, dayOf, EVER, HOUR, hourAt, hourMs } from '../model/buckets.js';
import { openHours } from '../read/open-hours.js';
import type { Database, Store } from '../store/store.js';
import type { RollupChange, RollupChanges } from './rollup-changes.js';
import { names, selected } from './statements.js';

// Of users and destinations there are many, so that their sums are what writing costs. While an hour is open they are added to that hour alone;
// then, bit by bit with the batches that follow, what the hour came to is added to its day and to all time, and the hour is closed:
// its `rank` becomes null. All other names are few, and added to hour and day at once.
//
// The last hour that has anything and the one before it are never closed, so that whatever is added to them goes to them alone.

/** Changes in one statement. */
const AT_ONCE = 1_000;
/** Sums of hours that are closed with a batch, if it changes no more itself: 3 ms. */
const CLOSED_AT_ONCE = 250;

const NAME = { tenant: 'text', scope: 'text', name: 'text' };
const SUMS = {
  entries: 'numeric',
  sessions: 'numeric',
  ended: 'numeric',
  bytes_sent: 'numeric',
  bytes_received: 'numeric',
  duration_secs: 'numeric',
  refusals: 'numeric',
};
const CHANGE = { ...NAME, ...SUMS, peak: 'bigint', active: 'bigint', active_version: 'text' };
const CHANGE_NAMES = Object.keys(CHANGE) as (keyof RollupChange)[];
const COLUMNS = [
  ...Object.keys(NAME),
  'span',
  'bucket',
  ...Object.keys(SUMS),
  'peak',
  'active',
  'active_version',
  'rank',
];
const RANKED = sql.raw(`('user', 'destination')`);

/** Adds what a batch has changed, and closes as many hours as it can have opened, or some more. */
export async function writeRollups(db: Database, store: Store, rollups: RollupChanges): Promise<void> {
  const open = await openHours(db);
  const firstKept = firstKeptOf(open);
  let changed = 0;
  for (const [hour, changes] of rollups.byHour()) {
    changed += changes.length;
    for (let at = 0; at < changes.length; at += AT_ONCE) {
      await addToHour(db, store, hour, changes.slice(at, at + AT_ONCE), hour >= firstKept);
    }
  }
  await closeHours(db, store, open, Math.max(CLOSED_AT_ONCE, changed));
}

/** Closes some of what is over. Returns whether there was anything. */
export async function closeSomeHours(db: Database, store: Store): Promise<boolean> {
  return await closeHours(db, store, await openHours(db), AT_ONCE);
}

async function closeHours(db: Database, store: Store, open: readonly string[], most: number): Promise<boolean> {
  const over = open.filter((hour) => hour < firstKeptOf(open));
  let left = most;
  for (const hour of over) {
    if (left > 0) left -= await closeSome(db, store, hour, left);
  }
  return over.length > 0;
}

function firstKeptOf(open: readonly string[]): string {
  const last = open.at(-1);
  return last === undefined ? '' : hourAt(hourMs(last) - HOUR_MS);
}

async function addToHour(
  db: Database,
  store: Store,
  hour: string,
  changes: readonly RollupChange[],
  isKept: boolean,
): Promise<void> {
  const lists = changes.map((change) => CHANGE_NAMES.map((name) => change[name]));
  const change = sql`with change as materialized (${selected(store, lists, CHANGE)})`;
  const rank = isKept ? rankOf('change') : sql`cast(null as numeric)`;
  await sql`${change} ${add(rank, sql`change`, [HOUR, hour], [DAY, dayOf(hour)])}
    where into_bucket.span = ${sql.lit(HOUR)} or scope not in ${RANKED} ${ON_CONFLICT}`.execute(db);
  if (isKept) return;
  // Some may be closed, and what is new is so from the beginning.
  const closed = sql`(select change.* from change cross join rollups as hour where change.scope in ${RANKED} and hour.tenant = change.tenant
    and hour.scope = change.scope and hour.name = change.name and hour.span = ${sql.lit(HOUR)} and hour.bucket = ${hour} and hour.rank is null)
    as change`;
  await sql`${change} ${add(rankOf('change'), closed, [DAY, dayOf(hour)], [EVER, ''])} where true ${ON_CONFLICT}`.execute(
    db,
  );
}

/** Closes at most so many of an hour; returns how many. */
async function closeSome(db: Database, store: Store, hour: string, most: number): Promise<number> {
  const { rows: chosen } = await sql<{
    tenant: string;
    scope: string;
    name: string;
  }>`select tenant, scope, name from rollups
    where span = ${sql.lit(HOUR)} and bucket = ${hour} and rank is not null limit ${most}`.execute(db);
  const keys = selected(
    store,
    chosen.map(({ tenant, scope, name }) => [tenant, scope, name]),
    NAME,
  );
  const isChosen = sql`rollups.tenant = chosen.tenant and rollups.scope = chosen.scope and rollups.name = chosen.name
    and rollups.span = ${sql.lit(HOUR)} and rollups.bucket = ${hour}`;
  const closing = sql`(select rollups.* from (${keys}) as chosen cross join rollups where ${isChosen}) as change`;
  await sql`${add(rankOf('change'), closing, [DAY, dayOf(hour)], [EVER, ''])} where true ${ON_CONFLICT}`.execute(db);
  await sql`update rollups set rank = null from (${keys}) as chosen where ${isChosen}`.execute(db);
  return chosen.length;
}

type Bucket = readonly [span: number, bucket: string];

/** Inserts each change into two buckets. Levels are of the hour alone, of all time not even the peak is kept. */
function add(rank: RawBuilder<unknown>, change: RawBuilder<unknown>, ...[one, other]: [Bucket, Bucket]) {
  const buckets = sql`(select ${sql.lit(one[0])} as span, cast(${one[1]} as text) as bucket
    union all select ${sql.lit(other[0])}, cast(${other[1]} as text)) as into_bucket`;
  return sql`insert into rollups (${names(COLUMNS)}) select ${names(Object.keys(NAME))}, into_bucket.span, into_bucket.bucket, ${names(Object.keys(SUMS))},
    case when into_bucket.span = ${sql.lit(EVER)} then 0 else peak end, case when into_bucket.span = ${sql.lit(HOUR)} then active end,
    case when into_bucket.span = ${sql.lit(HOUR)} then active_version end, ${rank} from ${change} cross join ${buckets}`;
}

/** What the lists of the most are ordered by: users by bytes, destinations by sessions. */
function rankOf(table: string): RawBuilder<unknown> {
  return sql.raw(`case ${table}.scope when 'user' then ${table}.bytes_sent + ${table}.bytes_received
    when 'destination' then ${table}.sessions end`);
}

const newest = (name: string, isNewer: string) =>
  sql.raw(`${name} = case when ${isNewer} then excluded.${name} else rollups.${name} end`);

const ON_CONFLICT = sql`on conflict (tenant, scope, name, span, bucket) do update set ${sql.join([
  ...Object.keys(SUMS).map((name) => sql.raw(`${name} = rollups.${name} + excluded.${name}`)),
  sql`rank = rollups.rank + ${rankOf('excluded')}`,
  newest('peak', 'excluded.peak > rollups.peak'),
  ...['active', 'active_version'].map((name) =>
    newest(name, `excluded.active_version >= coalesce(rollups.active_version, '')`),
  ),
])}`;
