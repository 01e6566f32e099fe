import { isRefusal } from '../model/row.js';
import type { Database } from '../store/store.js';
import type { RowChange } from './ledger.js';

/**
 * Numbers what a batch does to rows that are over, or were. One writer at a time, and each batch in one transaction: a reader that
 * sees a number sees all below it.
 */
export async function numberChanges(db: Database, changes: readonly RowChange[]): Promise<void> {
  const due = changes.flatMap(({ before, after }) => {
    if (after === null) return [];
    const isOver = after.end_time !== null || isRefusal(after) || (before !== null && before.revision !== null);
    return isOver ? [after] : [];
  });
  if (due.length === 0) return;
  let { revision } = await db.selectFrom('lineage').select('revision').executeTakeFirstOrThrow();
  for (const row of due) row.revision = revision += 1;
  await db.updateTable('lineage').set({ revision }).execute();
}
