import { copyFile, rename, rm } from 'node:fs/promises';

import { HistoryUnavailableError } from '../errors.js';
import { PARTS } from './in-use.js';

/**
 * Puts a copy of a closed, whole SQLite file in its own place. Within this process SQLite goes on using the log that it knows of a file, also one that was
 * removed; a copy is another file. Throws HistoryUnavailableError; then the file is as it was.
 */
export async function renewFile(path: string): Promise<void> {
  const copy = `${path}.renewing`;
  try {
    await copyFile(path, copy);
    for (const part of PARTS.slice(1)) await rm(path + part, { force: true });
    await rename(copy, path);
  } catch (error) {
    await rm(copy, { force: true });
    throw new HistoryUnavailableError('io', { cause: error });
  }
}
