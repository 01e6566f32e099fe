import { sql } from 'kysely';

import { breath } from '../breath.js';
import { newPseudonym, pseudonymised } from '../model/pseudonym.js';
import { isRefusal, timeText, type SessionRow } from '../model/row.js';
import type { Database, ErasureRow, RollupRow, Store } from '../store/store.js';
import { RollupChanges } from './rollup-changes.js';
import { writeRollups } from './rollups.js';
import { deleteRows, insertRows, names } from './statements.js';

/** Rows in one transaction, and sums in one: about 20 ms each. */
const BATCH = 100;
const SUMS_BATCH = 1_000;

const ROLLUP_COLUMNS = [
  'tenant',
  'scope',
  'name',
  'span',
  'bucket',
  'entries',
  'sessions',
  'ended',
  'bytes_sent',
  'bytes_received',
  'duration_secs',
  'refusals',
  'rank',
  'peak',
  'active',
  'active_version',
] as const satisfies readonly (keyof RollupRow)[];

/** `pseudonymise`: rows and sums stay, under a name that is made up; `remove`: they go. */
export type ErasureMode = 'pseudonymise' | 'remove';

/** What is to be erased. */
export interface ErasureRequest {
  tenant: string;
  /** Exactly as the rows have it. */
  user: string;
  mode: ErasureMode;
  /** Rows that began later stay, milliseconds. */
  untilMs: number;
  /** Who asked for it. */
  by: string;
}

/** An erasure that is under way; the database remembers it until it is finished. */
export interface Erasure extends ErasureRequest {
  /** Made up; also the name that rows get. */
  id: string;
}

/** How many rows were erased. */
export interface Erased {
  sessions: number;
  refusals: number;
}

/** Writes down what is to be done, null where nothing is; one that was asked for before goes on under the same made-up name. */
export async function beginErasure(store: Store, asked: ErasureRequest): Promise<Erasure | null> {
  const { tenant, user, mode, untilMs, by } = asked;
  return await store.write(async (db) => {
    const known = await db
      .selectFrom('erasures')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('user', '=', user)
      .executeTakeFirst();
    if (known === undefined && !(await isKnown(db, asked))) return null;
    const id = known?.id ?? newPseudonym();
    const row = { id, tenant, user, mode, before_time: timeText(untilMs), asked_by: by };
    if (known !== undefined) await db.deleteFrom('erasures').where('id', '=', id).execute();
    await db.insertInto('erasures').values(row).execute();
    return { id, ...asked };
  });
}

/** Whether there is anything of the name: a row that is to go, or a sum, which may be there for its peak alone. */
async function isKnown(db: Database, { tenant, user, untilMs }: ErasureRequest): Promise<boolean> {
  const { rows } = await sql<{
    known: number;
  }>`select 1 as known where exists (select 1 from sessions where "user" = ${user}
      and tenant = ${tenant} and start_time <= ${timeText(untilMs)})
    or exists (select 1 from rollups where tenant = ${tenant} and scope = 'user' and name = ${user} and entries = 0)`.execute(
    db,
  );
  return rows.length > 0;
}

/** Those that are not finished: of a process that died, or one that is still at it. */
export async function unfinishedErasures(store: Store): Promise<Erasure[]> {
  const rows = await store.read(async (db) => await db.selectFrom('erasures').selectAll().orderBy('id').execute());
  return rows.map(erasureOf);
}

/** Erases, in small transactions between which others work. Stops after one where `signal` says so; the rest is for the next call. */
export async function erase(store: Store, erasure: Erasure, signal: AbortSignal): Promise<Erased> {
  const erased: Erased = { sessions: 0, refusals: 0 };
  for (let more = true; more && !signal.aborted;) {
    const rows = await eraseRows(store, erasure);
    erased.sessions += rows.filter((row) => !isRefusal(row)).length;
    erased.refusals += rows.reduce((sum, row) => sum + row.refusals, 0);
    more = rows.length === BATCH;
    await breath();
  }
  while (!signal.aborted && (await eraseEmptySums(store, erasure))) await breath();
  return erased;
}

/** Forgets the erasure, and with it the name. First the name, so that nothing of it is left in the log of the file when the last trace goes. */
export async function finishErasure(store: Store, { id }: Erasure): Promise<void> {
  await store.write(async (db) => await db.updateTable('erasures').set({ user: '' }).where('id', '=', id).execute());
  await store.scrub();
  await store.write(async (db) => await db.deleteFrom('erasures').where('id', '=', id).execute());
}

async function eraseRows(store: Store, { id, tenant, user, mode, untilMs }: Erasure): Promise<SessionRow[]> {
  if (user === '') return [];
  return await store.write(async (db) => {
    const rows: SessionRow[] = await db
      .selectFrom('sessions')
      .selectAll()
      .where('user', '=', user)
      .where('tenant', '=', tenant)
      .where('start_time', '<=', timeText(untilMs))
      .orderBy('start_time')
      .limit(BATCH)
      .execute();
    if (rows.length === 0) return rows;
    const changes = rows.map((before) => ({ before, after: mode === 'remove' ? null : pseudonymised(before, id) }));
    const sums = new RollupChanges();
    sums.addRows(changes);
    await writeRollups(db, store, sums);
    await deleteRows(db, store, rows);
    const kept = changes.flatMap(({ after }) => after ?? []);
    if (kept.length > 0) await insertRows(db, store, kept);
    return rows;
  });
}

/**
 * Of the name there may be sums that no row adds to any more: they hold its peaks, which go to the made-up name, or go. Returns whether there may
 * be more.
 */
async function eraseEmptySums(store: Store, { id, tenant, user, mode }: Erasure): Promise<boolean> {
  if (user === '') return false;
  return await store.write(async (db) => {
    const isTheirs = sql`tenant = ${tenant} and scope = 'user' and name = ${user} and entries = 0`;
    const { rows } = await sql<{ span: number; bucket: string }>`select span, bucket from rollups where ${isTheirs}
      order by span, bucket limit ${SUMS_BATCH}`.execute(db);
    const last = rows.at(-1);
    if (last === undefined) return false;
    const these = sql`${isTheirs} and (span, bucket) <= (${last.span}, ${last.bucket})`;
    if (mode === 'pseudonymise') {
      await sql`insert into rollups (${names(ROLLUP_COLUMNS)}) select ${sql.join(ROLLUP_COLUMNS.map((column) => (column === 'name' ? sql`cast(${id} as text)` : sql.ref(column))))}
        from rollups where ${these} on conflict (tenant, scope, name, span, bucket) do update set
        peak = case when excluded.peak > rollups.peak then excluded.peak else rollups.peak end,
        active = excluded.active, active_version = excluded.active_version`.execute(db);
    }
    await sql`delete from rollups where ${these}`.execute(db);
    return rows.length === SUMS_BATCH;
  });
}

function erasureOf({ id, tenant, user, mode, before_time, asked_by }: ErasureRow): Erasure {
  const untilMs = Date.parse(before_time);
  return { id, tenant, user, mode: mode === 'remove' ? 'remove' : 'pseudonymise', untilMs, by: asked_by };
}
