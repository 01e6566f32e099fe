import { timeText } from '../model/row.js';
import type { Database } from '../store/store.js';

/** A time from which history lacks events. */
export interface Gap {
  fromMs: number;
  toMs: number;
  /** How many are known to be missing; there may be more. */
  entries: number;
}

/** A time, half open: what is absent does not bound it. */
export interface Span {
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
}

/** The times within that span from which history lacks events, the oldest first; those that touch are one. */
export async function gapsWithin(db: Database, tenant: string, { sinceMs = 0, untilMs }: Span): Promise<Gap[]> {
  let query = db
    .selectFrom('gaps')
    .select(['from_time', 'to_time', 'entries'])
    .where('tenant', '=', tenant)
    .where('to_time', '>=', timeText(sinceMs))
    .orderBy('from_time');
  if (untilMs !== undefined) query = query.where('from_time', '<', timeText(untilMs));
  const rows = await query.execute();
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
