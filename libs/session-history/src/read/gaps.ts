import { timeText } from '../model/row.js';
import type { Database } from '../store/store.js';

/** A time from which history lacks events. */
export interface Gap {
  fromMs: number;
  toMs: number;
  /** How many are known to be missing; there may be more. */
  entries: number;
}

/** The times since then from which history lacks events, the oldest first; those that touch are one. */
export async function gapsSince(db: Database, tenant: string, sinceMs: number): Promise<Gap[]> {
  const rows = await db
    .selectFrom('gaps')
    .select(['from_time', 'to_time', 'entries'])
    .where('tenant', '=', tenant)
    .where('to_time', '>=', timeText(sinceMs))
    .orderBy('from_time')
    .execute();
  const gaps: Gap[] = [];
  for (const row of rows) {
    const [fromMs, toMs] = [Date.parse(row.from_time), Date.parse(row.to_time)];
    const last = gaps.at(-1);
    if (last && fromMs <= last.toMs) {
      last.toMs = Math.max(last.toMs, toMs);
      last.entries += row.entries;
    } else {
      gaps.push({ fromMs, toMs, entries: row.entries });
    }
  }
  return gaps;
}
