import { DAY } from '../model/buckets.js';
import type { Database } from '../store/store.js';
import { gapsWithin, type Gap } from './gaps.js';

/** What a history holds of a tenant. */
export interface Extent {
  tenant: string;
  /** Sessions and refusals. */
  rows: number;
  /** When the oldest and the newest of them began, milliseconds; null where there is none. */
  oldestMs: number | null;
  newestMs: number | null;
  /** From when to when it says itself that it lacks events. */
  gaps: readonly Gap[];
}

export async function extentOf(db: Database, tenant: string): Promise<Extent> {
  const { rows } = await db
    .selectFrom('rollups')
    .select(({ fn }) => fn.sum<number | null>('entries').as('rows'))
    .where('tenant', '=', tenant)
    .where('scope', '=', 'total')
    .where('name', '=', '')
    .where('span', '=', DAY)
    .executeTakeFirstOrThrow();
  const startAt = async (order: 'asc' | 'desc') => {
    const row = await db
      .selectFrom('sessions')
      .select('start_time')
      .where('tenant', '=', tenant)
      .orderBy('start_time', order)
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : Date.parse(row.start_time);
  };
  const [oldestMs, newestMs] = [await startAt('asc'), await startAt('desc')];
  return { tenant, rows: rows ?? 0, oldestMs, newestMs, gaps: await gapsWithin(db, tenant, {}) };
}
