import { pause } from '#basics';

import { HistoryUnavailableError } from '../errors.js';
import { all, withFile } from './look-through.js';

/** How often, and how long apart, the log is tried to be emptied while others read it. */
const TRIES = 20;
const PAUSE_MS = 100;

/**
 * Writes every page of a SQLite file anew, on a thread of its own, and empties its log: nothing is left in them of what was deleted or overwritten.
 * (`secure_delete` is not enough: a page that was split keeps copies of rows in the space that is free.) Needs the room of the file twice.
 * Readers go on; who writes waits. Throws what SQLite says, and HistoryUnavailableError where others read the log all the time.
 */
export async function rewriteFile(path: string): Promise<void> {
  await withFile(path, async (file) => {
    await file.exec('vacuum');
    for (let tries = 0; tries < TRIES; tries += 1) {
      const [answer] = await all<{ busy: number }>(file, 'pragma wal_checkpoint(truncate)');
      if (answer?.busy === 0) return;
      await pause(PAUSE_MS);
    }
    throw new HistoryUnavailableError('busy', { cause: new Error('somebody reads the log of the file all the time') });
  });
}
