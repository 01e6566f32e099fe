import type { HistoryDatabase } from '#session-history';

export interface Removal {
  /** Rows that began before and have ended go; milliseconds. */
  cutoffMs: number;
  /** Ends it after the batch at hand. */
  signal: AbortSignal;
  /** How often `onProgress` hears of long work. */
  progressMs: number;
  /** So many rows went since it was called last; asked whether to go on. */
  onProgress: (rows: number) => boolean;
}

/**
 * Removes old rows, in small batches between which others work, and says in between how far it is. `done` is false where it was ended before
 * all were gone. Throws HistoryUnavailableError; what was removed until then stays removed.
 */
export async function removeOld(
  database: HistoryDatabase,
  { cutoffMs, signal, progressMs, onProgress }: Removal,
): Promise<{ done: boolean }> {
  for (let isWalking = false; ;) {
    const pause = AbortSignal.timeout(progressMs);
    const rows = await database.removeOlderThan(cutoffMs, isWalking ? signal : AbortSignal.any([signal, pause]));
    const goesOn = onProgress(rows);
    if (signal.aborted || (!goesOn && pause.aborted)) return { done: false };
    if (isWalking || !pause.aborted) return { done: true };
    // After the rows it walks through the sums, from their beginning each time: a pause would send it back there.
    isWalking = rows === 0;
  }
}
