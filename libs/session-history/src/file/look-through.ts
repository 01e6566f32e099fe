import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

import Promised from 'libsql/promise';

import { BackupError } from '../errors.js';
import { orDamaged } from './file-error.js';
import { LOG } from './in-use.js';

/** While somebody else opens or closes the file. */
const BUSY_MS = 5_000;

/** What was looked through. */
export interface WholeFile {
  /** With those that are still in its log. */
  bytes: number;
  /** Of the table `sessions`. */
  rows: number;
}

/** Called when nothing is in the way, before the long part: so many bytes are to be read. */
export type OnBegin = (bytes: number) => void;

/**
 * Looks a history file through, also while it is used, and stops nobody. Throws BackupError where there is none or it is damaged,
 * HistoryUnavailableError where it cannot be read.
 */
export async function checkFile(path: string, onBegin: OnBegin = () => {}): Promise<WholeFile> {
  mustExist(path);
  onBegin(await bytesOf(path));
  try {
    return { bytes: await bytesOf(path), rows: await withFile(path, countedRows) };
  } catch (error) {
    throw orDamaged(error, path, 'restore a backup');
  }
}

/** Looks a copy through that nobody else can have open: without a lock, and without a log beside it. Throws what the driver does. */
export async function lookThroughCopy(path: string): Promise<WholeFile> {
  const rows = await withFile(`${pathToFileURL(path).href}?immutable=1`, countedRows);
  return { bytes: await bytesOf(path), rows };
}

export function mustExist(path: string): void {
  if (existsSync(path)) return;
  throw new BackupError(`There is no history file ${path}: nothing was written yet, or it is elsewhere`);
}

/** Of the file and its log; 0 where there is none. */
export async function bytesOf(path: string): Promise<number> {
  const sizes = [path, path + LOG].map(async (part) => (existsSync(part) ? (await stat(part)).size : 0));
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

export type File = InstanceType<typeof Promised>;

export async function withFile<T>(path: string, work: (file: File) => Promise<T>): Promise<T> {
  const file = new Promised(path, {});
  try {
    await file.exec(`pragma busy_timeout = ${BUSY_MS}`);
    return await work(file);
  } finally {
    file.close();
  }
}

async function countedRows(file: File): Promise<number> {
  const [check] = await all<{ integrity_check: string }>(file, 'pragma integrity_check(1)');
  if (check?.integrity_check !== 'ok') {
    throw Object.assign(new Error(check?.integrity_check ?? 'no answer'), { code: 'SQLITE_CORRUPT' });
  }
  // A history has both tables.
  const [counted] = await all<{ n: number }>(
    file,
    'select count(*) as n from sessions, (select count(*) from rollups)',
  );
  return counted?.n ?? 0;
}

export async function all<Row>(file: File, text: string): Promise<Row[]> {
  return (await (await file.prepare(text)).all()) as Row[];
}
