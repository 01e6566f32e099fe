import { dayOf, hourOf } from '../model/buckets.js';
import { timeText, type SessionRow } from '../model/row.js';
import { sql } from 'kysely';

import type { Database, RollupRow, Store } from '../store/store.js';
import { RollupChanges } from './rollup-changes.js';
import { closeSomeHours, writeRollups } from './rollups.js';
import { deleteRows } from './statements.js';

/** Rows that are removed in one transaction, and sums that are looked at in one: about 20 ms each. */
const BATCH = 500;
const SUMS_BATCH = 5_000;

/** What a step removed; more may be left. */
export interface Removed {
  rows: number;
  more: boolean;
}

/** Removes the oldest sessions that have ended and began before `cutoff`, at most a batch, and takes them out of the sums. */
export async function removeOlder(store: Store, cutoff: string): Promise<Removed> {
  return await store.write((db) => removeOldest(db, store, BATCH, cutoff));
}

/** Removes the oldest rows until there are at most `most`, live ones too. Returns how many went. */
export async function removeBeyond(store: Store, most: number): Promise<number> {
  return await store.write(async (db) => {
    const { rows } = await sql<{ count: number }>`select count(*) as count from sessions`.execute(db);
    const beyond = (rows[0]?.count ?? 0) - most;
    return beyond <= 0 ? 0 : (await removeOldest(db, store, beyond, null)).rows;
  });
}

async function removeOldest(db: Database, store: Store, most: number, cutoff: string | null): Promise<Removed> {
  let query = db.selectFrom('sessions').selectAll().orderBy('start_time').limit(most);
  if (cutoff !== null) query = query.where('start_time', '<', cutoff).where('status', '!=', 'active');
  const rows: SessionRow[] = await query.execute();
  if (rows.length > 0) {
    const sums = new RollupChanges();
    sums.addRows(rows.map((row) => ({ before: row, after: null })));
    await writeRollups(db, store, sums);
    await deleteRows(db, store, rows);
  }
  return { rows: rows.length, more: rows.length === most };
}

/** Closes some of the hours that are over, so that nothing of them is lost with their sums. Returns whether there may be more. */
export async function closeOver(store: Store): Promise<boolean> {
  return await store.write((db) => closeSomeHours(db, store));
}

/** Where a walk through the sums stands. */
type RollupKey = Pick<RollupRow, 'tenant' | 'scope' | 'name' | 'span' | 'bucket'>;

/**
 * Removes sums that nothing is left of: of hours and days before `cutoff` without rows, and of names without rows at all. Walks through all of
 * them, a batch a call; returns where to go on, null at the end.
 */
export async function removeEmptySums(
  store: Store,
  cutoffMs: number,
  after: RollupKey | null,
): Promise<RollupKey | null> {
  const cutoff = timeText(cutoffMs);
  return await store.write(async (db) => {
    const key = sql.raw<string>('tenant, scope, name, span, bucket');
    const from = after
      ? sql`where (${key}) > (${after.tenant}, ${after.scope}, ${after.name}, ${after.span}, ${after.bucket})`
      : sql``;
    const { rows } = await sql<RollupKey & { last: number }>`
      select ${key} from (select * from rollups ${from} order by ${key} limit ${SUMS_BATCH}) as walked`.execute(db);
    const last = rows.at(-1);
    if (!last) return null;
    await sql`delete from rollups where (${key}) in (select ${key} from rollups ${from} order by ${key} limit ${SUMS_BATCH})
      and entries = 0 and (span = 0 or span = 1 and rank is null and bucket < ${hourOf(cutoff)} or span = 24 and bucket < ${dayOf(cutoff)})`.execute(
      db,
    );
    return rows.length < SUMS_BATCH ? null : last;
  });
}
