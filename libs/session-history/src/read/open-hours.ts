import { sql } from 'kysely';

import type { Database } from '../store/store.js';

/**
 * The hours, oldest first, of which users and destinations are not yet all in the sums of their day and of all time: who is not has a `rank` in
 * that hour. Of one that has none, day and all time are complete.
 */
export async function openHours(db: Database): Promise<string[]> {
  const next = sql`select min(rollups.bucket) from rollups where span = 1 and rank is not null`;
  const { rows } = await sql<{ bucket: string }>`with recursive open(bucket) as (
      ${next} union all select (${next} and rollups.bucket > open.bucket) from open where open.bucket is not null)
    select bucket from open where bucket is not null`.execute(db);
  return rows.map(({ bucket }) => bucket);
}
