import { attemptsKey } from './keys.js';
import { integer } from './scripts/reply.js';
import { loadScript, type StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

const noteAttempt = loadScript('note-attempt');

/** A person who mistypes, or a few servers behind one address whose key was changed, still hear what is wrong. */
const IN_A_ROW = 10;
const FORGIVEN_AFTER_MS = 6_000;

export interface AttemptsOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  /** Sets the time in tests. */
  clockMs?: () => number;
}

/** Attempts with wrong keys by their source, of the whole fleet: ten in a row, then one in six seconds. */
export class Attempts {
  constructor(private readonly options: AttemptsOptions) {}

  /**
   * Notes one. Returns 0, or for how many milliseconds this source is slowed; such an attempt is not noted, so that this ends however many come.
   * Throws StoreUnavailableError.
   */
  async note(source: string): Promise<number> {
    const { client, deadlineMs, clockMs } = this.options;
    const args = [clockMs?.() ?? '', IN_A_ROW, FORGIVEN_AFTER_MS];
    return await withDeadline(deadlineMs, async () =>
      integer(await noteAttempt.run(client, [attemptsKey(source)], args)),
    );
  }
}
