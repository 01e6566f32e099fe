import { rmSync, statSync } from 'node:fs';

import { HistoryUnavailableError } from '../errors.js';
import { LOG, PARTS } from './in-use.js';

/**
 * Whether a path still leads to the file that is open. A removed or replaced file goes on working for the process that has it open, and all that is
 * written into it is gone with that process.
 */
export class KeptFile {
  private readonly known: readonly (string | null)[];

  /** The file with its log must be open by now. */
  constructor(private readonly path: string) {
    this.known = this.look();
  }

  /** What is not at its place any more: the file itself, or only what SQLite keeps beside it; null while all is. */
  get change(): 'file' | 'log' | null {
    const now = this.look();
    if (now[0] !== this.known[0]) return 'file';
    return now.some((part, i) => part !== this.known[i]) ? 'log' : null;
  }

  /** Throws HistoryUnavailableError `replaced` unless all is at its place. */
  mustBeKept(): void {
    const { change } = this;
    if (change === null) return;
    const what = change === 'file' ? this.path : `${this.path}${LOG} or its index`;
    throw new HistoryUnavailableError('replaced', {
      cause: new Error(`${what} was removed or replaced while it was open`),
    });
  }

  /** Once the file is closed: the log of one that is gone must not be taken for that of the file in its place. */
  removeLeftLog(): void {
    const now = this.look();
    if (now[0] === this.known[0]) return;
    for (const [i, part] of PARTS.entries()) {
      if (i > 0 && now[i] !== null && now[i] === this.known[i]) rmSync(this.path + part, { force: true });
    }
  }

  private look(): (string | null)[] {
    return PARTS.map((part) => {
      try {
        const { dev, ino } = statSync(this.path + part, { bigint: true });
        return `${dev}:${ino}`;
      } catch {
        return null; // none, or not within reach: not what is open
      }
    });
  }
}
