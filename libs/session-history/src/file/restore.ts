import { existsSync } from 'node:fs';
import { chown, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

import { BackupError } from '../errors.js';
import { newLineage } from '../model/lineage.js';
import { moveAside } from '../open-store.js';
import { fileError, orDamaged } from './file-error.js';
import { isInUse, LOG, PARTS } from './in-use.js';
import { bytesOf, lookThroughCopy, withFile, type File, type OnBegin, type WholeFile } from './look-through.js';

export interface Restored extends WholeFile {
  /** Where the file went that was there before; null if there was none. */
  replaced: string | null;
}

/**
 * Puts a backup, looked through as a copy before, in the place of a SQLite file, which is kept beside it. Throws BackupError, and nothing has
 * changed, where the backup is none or not whole, or where the file is in use: what its user wrote from then on would be lost unseen.
 */
export async function restoreFile(from: string, path: string, onBegin: OnBegin = () => {}): Promise<Restored> {
  const copy = `${path}.restoring`;
  try {
    await mustBeBackup(from, path);
    if (isInUse(path)) throw inUse(path, 'is in use');
    await mkdir(dirname(path), { recursive: true });
    onBegin(await bytesOf(from));
    const whole = await wholeCopy(from, copy);
    await withFile(copy, renewLineage);
    await giveToOwner(copy, path);
    return { ...whole, replaced: await putInPlace(copy, path) };
  } catch (error) {
    throw fileError(error);
  } finally {
    await rm(copy, { force: true });
  }
}

async function mustBeBackup(from: string, path: string): Promise<void> {
  if (!existsSync(from)) throw new BackupError(`There is no file ${from}`);
  if (existsSync(path) && (await isSameFile(from, path))) {
    throw new BackupError(`${from} is the history file itself: name a backup of it`);
  }
  if (existsSync(from + LOG) && (await stat(from + LOG)).size > 0) {
    throw new BackupError(
      `${from} is no backup: part of it is in ${from}${LOG}, in use or not closed. Back it up, and restore that`,
    );
  }
}

const inUse = (path: string, what: string) =>
  new BackupError(`${path} ${what}: stop limits-admin and whatever else has it open; nothing was changed`);

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other)]);
  return a.ino === b.ino && a.dev === b.dev;
}

async function wholeCopy(from: string, copy: string): Promise<WholeFile> {
  try {
    await copyFile(from, copy);
    return await lookThroughCopy(copy);
  } catch (error) {
    throw orDamaged(error, from, 'take another backup; nothing was changed');
  }
}

/** The numbers that rows get from now on were those of others: exports that went further than the backup must not go on. */
async function renewLineage(file: File): Promise<void> {
  // Nothing of it may stay beside the copy, which is moved.
  await file.exec('pragma journal_mode = delete');
  try {
    await file.exec(`update lineage set id = '${newLineage()}'`);
  } catch (error) {
    // From before there were revisions: it is numbered when it is opened.
    if (!(error instanceof Error && error.message.includes('no such table'))) throw error;
  }
}

/** Else a service that is not root could not write into what root restored. */
async function giveToOwner(copy: string, path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(existsSync(path) ? path : dirname(path));
  await chown(copy, uid, gid);
}

/** Where the file before went to. A log that was left without its file goes too: SQLite would take it for that of the backup. */
async function putInPlace(copy: string, path: string): Promise<string | null> {
  const replaced = PARTS.some((part) => existsSync(path + part)) ? await moveAside(path, 'replaced') : null;
  await rename(copy, path);
  if (replaced !== null && isInUse(replaced)) {
    await putBack(replaced, path);
    throw inUse(path, 'came into use meanwhile');
  }
  return replaced;
}

/** A process that opened the file before it was moved goes on with it, and finds it under its name. */
async function putBack(replaced: string, path: string): Promise<void> {
  await rm(path);
  for (const part of PARTS) {
    if (existsSync(replaced + part)) await rename(replaced + part, path + part);
  }
}
