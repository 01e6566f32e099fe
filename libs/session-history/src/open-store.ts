import { existsSync } from 'node:fs';
import { access, constants, mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { sql } from 'kysely';

import type { HistoryAddress } from './address.js';
import { HistoryUnavailableError, historyError } from './errors.js';
import { PARTS } from './file/in-use.js';
import { renewFile } from './file/renew.js';
import { migrate } from './migrations/index.js';
import { postgresStore } from './store/postgres.js';
import { sqliteStore } from './store/sqlite.js';
import type { Store } from './store/store.js';

/** A file up to this size is looked through whenever it is opened (about a second); a larger one when it is suspect. */
const ALWAYS_CHECKED_BYTES = 256 * 1024 * 1024;
/** A statement that changes the shape of a PostgreSQL database may take so long. */
const MIGRATION_MS = 3_600_000;

export interface OpenedStore {
  store: Store;
  /** Where a damaged file went that a new one was begun for; null if there was none. */
  setAside: string | null;
}

/**
 * Opens the database and brings it to the present shape. A SQLite file that is damaged is moved aside, as it is, and a new one begun; it is
 * looked through when it is small or `suspect`, else damage shows where it is met. One whose log was removed while it was open is renewed first. Throws
 * HistoryUnavailableError.
 */
export async function openStore(
  address: HistoryAddress,
  { suspect = false, lostLog = false } = {},
): Promise<OpenedStore> {
  if (address.kind === 'postgres') return { store: await migratedPostgres(address.url), setAside: null };
  if (address.kind === 'memory') return { store: await migrated(sqliteStore(null)), setAside: null };
  const { path } = address;
  await makeFolder(path);
  await mustBeWritable(path);
  if (lostLog && existsSync(path)) await renewFile(path);
  try {
    return { store: await checked(path, suspect), setAside: null };
  } catch (error) {
    if (!(error instanceof HistoryUnavailableError) || error.reason !== 'damaged') throw error;
    const setAside = await moveAside(path, 'damaged');
    return { store: await migrated(sqliteStore(path)), setAside };
  }
}

/** Moves a database file, with what belongs to it, out of the way: `<path>.<why>-<time>`. Returns where to. */
export async function moveAside(path: string, why: string): Promise<string> {
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const aside = `${path}.${why}-${time}`;
  for (const part of PARTS) {
    if (existsSync(path + part)) await rename(path + part, aside + part);
  }
  return aside;
}

async function checked(path: string, suspect: boolean): Promise<Store> {
  const bytes = existsSync(path) ? (await stat(path)).size : 0;
  const store = sqliteStore(path);
  return await orClosed(store, async () => {
    if (bytes > 0 && (suspect || bytes <= ALWAYS_CHECKED_BYTES)) await quickCheck(store);
    return await migrated(store);
  });
}

async function quickCheck({ db }: Store): Promise<void> {
  const { rows } = await sql<{ quick_check: string }>`pragma quick_check(1)`.execute(db);
  const answer = rows[0]?.quick_check ?? 'no answer';
  if (answer !== 'ok') throw Object.assign(new Error(answer), { code: 'SQLITE_CORRUPT' });
}

async function migrated(store: Store): Promise<Store> {
  return await orClosed(store, async () => {
    await migrate(store);
    await store.keep();
    return store;
  });
}

/** Its shape may change for longer than a question may take: an index of millions of rows is a matter of minutes. */
async function migratedPostgres(url: string): Promise<Store> {
  const patient = postgresStore(url, MIGRATION_MS);
  await orClosed(patient, async () => await migrate(patient));
  await patient.close();
  return await migrated(postgresStore(url));
}

async function orClosed<T>(store: Store, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await store.close().catch(() => {}); // what matters is why it could not be opened
    throw historyError(error);
  }
}

async function mustBeWritable(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK);
    if (existsSync(path)) await access(path, constants.W_OK);
  } catch (error) {
    throw new HistoryUnavailableError('read-only', { cause: error });
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw new HistoryUnavailableError('io', { cause: error });
  }
}
