import { existsSync } from 'node:fs';
import { copyFile, rename, rm, stat } from 'node:fs/promises';

import Promised from 'libsql/promise';

import { BackupError, historyError } from './errors.js';
import { moveAside } from './open-store.js';

export interface Backup {
  path: string;
  bytes: number;
  /** Rows of the table `sessions`. */
  rows: number;
}

/**
 * Writes a consistent copy of a SQLite file that is in use, and looks it through before it has its name. It works on threads of its own: neither
 * readers nor the writer wait. Throws BackupError where `to` exists, HistoryUnavailableError where it cannot be written.
 */
export async function backupFile(from: string, to: string): Promise<Backup> {
  if (existsSync(to)) throw new BackupError(`${to} exists; a backup replaces nothing`);
  const unfinished = `${to}.unfinished`;
  try {
    await rm(unfinished, { force: true });
    await withFile(from, (file) => file.exec(`vacuum into '${unfinished.replaceAll("'", "''")}'`));
    const rows = await checkedRows(unfinished);
    await rename(unfinished, to);
    return { path: to, bytes: (await stat(to)).size, rows };
  } catch (error) {
    await rm(unfinished, { force: true });
    throw historyError(error);
  }
}

/**
 * Puts a backup in the place of a SQLite file, which must not be in use; that file is kept beside it. The backup is looked through
 * completely first, and again as a copy: one that is damaged or no history is a BackupError, and nothing has changed.
 */
export async function restoreFile(backup: string, to: string): Promise<Backup & { replaced: string | null }> {
  if (!existsSync(backup)) throw new BackupError(`${backup} does not exist`);
  const copy = `${to}.restoring`;
  try {
    await copyFile(backup, copy);
    const rows = await checkedRows(copy);
    const replaced = existsSync(to) ? await moveAside(to, 'replaced') : null;
    await rename(copy, to);
    return { path: to, bytes: (await stat(to)).size, rows, replaced };
  } finally {
    await rm(copy, { force: true });
  }
}

async function checkedRows(path: string): Promise<number> {
  try {
    return await withFile(path, async (file) => {
      const [check] = (await (await file.prepare('pragma integrity_check(1)')).all()) as { integrity_check: string }[];
      if (check?.integrity_check !== 'ok') throw new Error(check?.integrity_check);
      const counted = await (
        await file.prepare('select count(*) as count from sessions, (select 1 from rollups limit 1)')
      ).all();
      return (counted as { count: number }[])[0]?.count ?? 0;
    });
  } catch (error) {
    throw new BackupError(`${path} is no whole history database: ${String(error)}`, { cause: error });
  }
}

async function withFile<T>(path: string, work: (file: InstanceType<typeof Promised>) => Promise<T>): Promise<T> {
  const file = new Promised(path, {});
  try {
    return await work(file);
  } finally {
    file.close();
  }
}
