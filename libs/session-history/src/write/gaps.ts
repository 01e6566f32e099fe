import type { HistoryEvent } from '../model/event.js';
import { timeText } from '../model/row.js';
import type { Database, GapRow } from '../store/store.js';

/** Marks what history did not get; what is marked already is left as it is. */
export async function writeGaps(db: Database, events: readonly HistoryEvent[]): Promise<void> {
  const rows = events.flatMap((event): GapRow[] => {
    if (event.kind !== 'gap') return [];
    const { tenant, shard, id: event_id, fromMs, toMs, entries } = event;
    return [{ tenant, shard, event_id, from_time: timeText(fromMs), to_time: timeText(toMs), entries }];
  });
  if (rows.length === 0) return;
  await db
    .insertInto('gaps')
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Of sessions from before `cutoff` nothing is left that could be missing. */
export async function removeGaps(db: Database, cutoff: string): Promise<void> {
  await db.deleteFrom('gaps').where('to_time', '<', cutoff).execute();
}
