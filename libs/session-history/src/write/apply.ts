import type { HistoryEvent, LostEvent } from '../model/event.js';
import { keyOf, type RowEvent } from '../model/merge.js';
import { LIFE_COLUMNS, type RowKey, type SessionRow } from '../model/row.js';
import type { Database, Store } from '../store/store.js';
import { isNamedByItsEvent, Ledger, textOf, type RowChange } from './ledger.js';
import { writeGaps } from './gaps.js';
import { numberChanges } from './revisions.js';
import { RollupChanges } from './rollup-changes.js';
import { writeRollups } from './rollups.js';
import { deleteRows, insertRows, rowsNamed, updateLife } from './statements.js';

/** Rows in one statement; larger batches go in pieces of the same transaction. */
const AT_ONCE = 1_000;

/** An event that has a row, and the key of that row; null where that has to be found. */
type Keyed = readonly [event: RowEvent, key: RowKey] | readonly [event: LostEvent, key: null];

/**
 * Applies events in one transaction. Whatever was applied before, in whatever batches and order, and comes again changes nothing.
 * Returns how rows changed: what is counted from that is counted once. Throws HistoryUnavailableError; then nothing was applied.
 */
export async function applyEvents(store: Store, events: readonly HistoryEvent[]): Promise<RowChange[]> {
  const keyed = events.flatMap((event): Keyed[] =>
    event.kind === 'levels' || event.kind === 'gap'
      ? []
      : [event.kind === 'lost' ? [event, null] : [event, keyOf(event)]],
  );
  return await store.write(async (db) => {
    const ledger = new Ledger(await knownRows(db, store, keyed));
    for (const [event, key] of keyed) {
      if (key !== null) ledger.take(event, key);
      else ledger.end(event);
    }
    const changes = ledger.changes();
    await numberChanges(db, changes);
    await writeChanges(db, store, changes);
    const rollups = new RollupChanges();
    rollups.addRows(changes);
    for (const event of events) rollups.addLevels(event);
    await writeRollups(db, store, rollups);
    await writeGaps(db, events);
    return changes;
  });
}

async function knownRows(db: Database, store: Store, keyed: readonly Keyed[]): Promise<SessionRow[]> {
  const keys = new Map<string, string[]>();
  const named = new Map<string, string[]>();
  const lost = new Map<string, string[]>();
  for (const [event, key] of keyed) {
    if (key === null) {
      lost.set(`${event.tenant}\n${event.sessionId}`, [event.tenant, event.sessionId, 'active']);
      continue;
    }
    const { tenant, session_id, start_time } = key;
    keys.set(textOf(key), [tenant, session_id, start_time]);
    if (event.kind !== 'refused' || !isNamedByItsEvent(event)) continue;
    named.set(`${tenant}\n${session_id}\n${event.id}`, [tenant, session_id, event.id]);
  }
  const rows: SessionRow[] = [];
  for (const some of piecesOf([...keys.values()])) rows.push(...(await rowsNamed(db, store, some, 'start_time')));
  for (const some of piecesOf([...named.values()])) rows.push(...(await rowsNamed(db, store, some, 'event_id')));
  for (const some of piecesOf([...lost.values()])) rows.push(...(await rowsNamed(db, store, some, 'status')));
  return rows;
}

/** Most ends change few columns; what changes more is written anew, since each index of a column that is set would be written again. */
async function writeChanges(db: Database, store: Store, changes: readonly RowChange[]): Promise<void> {
  const gone: SessionRow[] = [];
  const fresh: SessionRow[] = [];
  const changed: SessionRow[] = [];
  for (const { before, after } of changes) {
    if (before && after && isLifeAlone(before, after)) {
      changed.push(after);
      continue;
    }
    if (before) gone.push(before);
    if (after) fresh.push(after);
  }
  for (const some of piecesOf(gone)) await deleteRows(db, store, some);
  for (const some of piecesOf(fresh)) await insertRows(db, store, some);
  for (const some of piecesOf(changed)) await updateLife(db, store, some);
}

const LIFE: ReadonlySet<string> = new Set(LIFE_COLUMNS);

function isLifeAlone(before: SessionRow, after: SessionRow): boolean {
  for (const name in after) {
    if (!LIFE.has(name) && before[name as keyof SessionRow] !== after[name as keyof SessionRow]) return false;
  }
  return true;
}

function* piecesOf<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield items.slice(at, at + AT_ONCE);
}
