import { existsSync } from 'node:fs';

import Libsql from 'libsql';

import { fileError, isDamage } from './file-error.js';

/** What SQLite appends to the name of a file for its log. */
export const LOG = '-wal';
/** A database file and what may belong to it. */
export const PARTS: readonly string[] = ['', LOG, '-shm'];

/**
 * Whether any process of this machine has the file open. Each that does shares a lock on it, also while it is idle: only without them can it be
 * locked alone. One that is no database is in nobody's use. Leaves all that was written in the file itself, no log beside it.
 */
export function isInUse(path: string): boolean {
  if (!existsSync(path)) return false;
  const file = new Libsql(path);
  try {
    // No prepared statements here: those would keep the lock until they are collected.
    file.exec('pragma locking_mode = exclusive');
    file.exec('begin exclusive');
    file.exec('rollback');
    return false;
  } catch (error) {
    if (isDamage(error)) return false;
    if (String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')) return true;
    throw fileError(error);
  } finally {
    file.close();
  }
}
