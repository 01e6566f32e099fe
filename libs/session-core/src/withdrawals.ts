import type { TenantRef } from './keys.js';
import { withdraw, type Withdrawal } from './scripts/withdraw.script.js';
import type { ShardContext } from './scripts/script.js';
import { withDeadline } from './store-call.js';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/** More are not kept: their places are freed as after the death of this process. */
const MOST_PENDING = 100_000;

/**
 * Admissions whose answer was lost, each taken back again and again until that has worked.
 *
 * They live in this process: if it dies first, the session's reservation, maximum duration or node frees the place.
 */
export class Withdrawals {
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly running = new Set<Promise<void>>();
  private closed = false;

  constructor(
    private readonly contextOf: (tenant: TenantRef, shard: number) => ShardContext,
    private readonly deadlineMs: number,
  ) {}

  /** How many are not done yet. */
  get pending(): number {
    return this.timers.size + this.running.size;
  }

  add(tenant: TenantRef, shard: number, withdrawal: Withdrawal): void {
    if (this.pending >= MOST_PENDING) return;
    this.start(this.contextOf(tenant, shard), withdrawal, FIRST_RETRY_MS);
  }

  /** Lets what is under way finish, and gives up what waits for a retry. */
  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    await Promise.all(this.running);
  }

  private start(context: ShardContext, withdrawal: Withdrawal, retryMs: number): void {
    const run = this.attempt(context, withdrawal, retryMs).finally(() => this.running.delete(run));
    this.running.add(run);
  }

  private async attempt(context: ShardContext, withdrawal: Withdrawal, retryMs: number): Promise<void> {
    try {
      await withDeadline(this.deadlineMs, async () => await withdraw(context, withdrawal));
    } catch {
      // Whatever it was, the place may be taken: there is nothing better to do than to try again.
      this.retry(context, withdrawal, retryMs);
    }
  }

  private retry(context: ShardContext, withdrawal: Withdrawal, retryMs: number): void {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.start(context, withdrawal, Math.min(retryMs * 2, LONGEST_RETRY_MS));
    }, retryMs);
    timer.unref();
    this.timers.add(timer);
  }
}
