import { integer } from './scripts/reply.js';
import { loadScript, type StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

const lease = loadScript('lease');

export interface LeaseOptions {
  client: StoreClient;
  key: string;
  /** Who asks: a name that no other process has. */
  holder: string;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
}

/**
 * Of many who could do some work, one does it. A process that pauses for longer than it lasts may still be at work when the next one begins: the
 * work itself must bear that.
 */
export class Lease {
  constructor(private readonly options: LeaseOptions) {}

  /**
   * Takes the lease, or keeps it, for the next `ms`; 0 gives it back, so that the next one can begin at once. False while another holds
   * it. Throws StoreUnavailableError; what could not be given back expires.
   */
  async take(ms: number): Promise<boolean> {
    const { client, key, holder, deadlineMs } = this.options;
    return await withDeadline(deadlineMs, async () => integer(await lease.run(client, [key], [holder, ms])) === 1);
  }
}
