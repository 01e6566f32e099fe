import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import { BackupError } from '../errors.js';
import { orDamaged } from './file-error.js';
import { bytesOf, lookThroughCopy, mustExist, withFile, type OnBegin, type WholeFile } from './look-through.js';

/** Where a backup is written until it is looked through, and what SQLite writes beside that: a caller that breaks a backup off removes these. */
export const unfinishedBackup = (to: string): [copy: string, journal: string] => [
  `${to}.unfinished`,
  `${to}.unfinished-journal`,
];

/**
 * Writes a copy of one moment of a SQLite file beside those who use it, and looks the copy through before it has its name. It works on threads
 * of its own: neither readers nor the writer wait. Throws BackupError where there is no whole file, or something is in the way of the copy,
 * HistoryUnavailableError where it cannot be read or written; then nothing is left of the copy.
 */
export async function backUpFile(path: string, to: string, onBegin: OnBegin = () => {}): Promise<WholeFile> {
  mustExist(path);
  if (existsSync(to)) throw new BackupError(`${to} exists, and a backup replaces nothing: name another file`);
  if (!existsSync(dirname(to))) throw new BackupError(`There is no folder ${dirname(to)}: make it, or name another`);
  onBegin(await bytesOf(path));
  const unfinished = unfinishedBackup(to);
  const tidy = () => Promise.all(unfinished.map((part) => rm(part, { force: true })));
  const [copy] = unfinished;
  try {
    await tidy();
    await withFile(path, (file) => file.exec(`vacuum into '${copy.replaceAll("'", "''")}'`));
    const whole = await lookThroughCopy(copy);
    await rename(copy, to);
    return whole;
  } catch (error) {
    await tidy();
    throw orDamaged(error, path, 'no backup was written; restore an older one');
  }
}
