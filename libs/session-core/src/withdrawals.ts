import { backOffMs } from '#basics';

import type { TenantRef } from './keys.js';
import { withdraw, type Withdrawal } from './scripts/withdraw.script.js';
import type { ShardContext } from './scripts/script.js';
import { withDeadline } from './store-call.js';

const RETRY = { firstMs: 100, maxMs: 5_000 };

/** More are not kept: their slots are freed as after the death of this process. */
const MAX_PENDING = 100_000;

/**
 * Admissions whose answer was lost, each taken back again and again until that has worked.
 *
 * They live in this process: if it dies first, the session's reservation, maximum duration or node frees the slot.
 */
export class Withdrawals {
  /** One each, and no signal for all of them: a signal looks through all who listen to it whenever one more does. */
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
    if (this.pending >= MAX_PENDING) return;
    this.start(this.contextOf(tenant, shard), withdrawal, 0);
  }

  /** Lets what is under way finish, and gives up what waits for a retry. */
  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    await Promise.all(this.running);
  }

  private start(context: ShardContext, withdrawal: Withdrawal, failures: number): void {
    const run = this.attempt(context, withdrawal, failures).finally(() => this.running.delete(run));
    this.running.add(run);
  }

  private async attempt(context: ShardContext, withdrawal: Withdrawal, failures: number): Promise<void> {
    try {
      await withDeadline(this.deadlineMs, async () => await withdraw(context, withdrawal));
    } catch {
      // Whatever it was, the slot may be taken: there is nothing better to do than to try again.
      this.retry(context, withdrawal, failures + 1);
    }
  }

  private retry(context: ShardContext, withdrawal: Withdrawal, failures: number): void {
    if (this.closed) return;
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        this.start(context, withdrawal, failures);
      },
      backOffMs(RETRY, failures),
    );
    timer.unref();
    this.timers.add(timer);
  }
}
