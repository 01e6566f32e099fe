import { BackOff } from '#basics';
import { Repetition } from '#session-core';

/** What a webhook accepted and did not acknowledge is sent again after this long. */
const REPEAT_MS = 10_000;
const BACK_OFF = { firstMs: 1_000, maxMs: 300_000 };

/** Where the delivery to one node stands, in this process. Times are milliseconds of a monotonic clock. */
export class NodeDelivery {
  readonly repetition = new Repetition(REPEAT_MS);
  /** When this process last made sure that the node is its own to deliver to; null if it is not. */
  leasedAt: number | null = null;
  busy = false;
  private readonly backedOff = new BackOff(BACK_OFF);
  private news = false;
  private nextAt = -Infinity;
  private latestMs = -Infinity;

  /** Of the webhook, in a row. */
  get failures(): number {
    return this.backedOff.failures;
  }

  /** The node's latest command is of this moment. A new one is delivered at once, unless the webhook fails. */
  commanded(atMs: number): void {
    this.news ||= atMs !== this.latestMs;
    this.latestMs = atMs;
  }

  isDue(now: number): boolean {
    return !this.busy && (now >= this.nextAt || (this.news && this.failures === 0));
  }

  /** A round begins. What comes from now on, it may miss. */
  begin(): void {
    this.busy = true;
    this.news = false;
    this.repetition.begin();
  }

  end(): void {
    this.busy = false;
  }

  /** The round has seen every command. */
  complete(now: number): void {
    this.nextAt = Math.min(this.repetition.complete(), now + REPEAT_MS);
  }

  works(): void {
    this.backedOff.succeeded();
  }

  /** Waits longer after each failure in a row, and not as long as others do. */
  backOff(now: number): void {
    this.nextAt = now + this.backedOff.failed() * (0.5 + Math.random() / 2);
  }

  /** Nothing is known of the webhook: it is another process's, or the commands could not be read. */
  retry(at: number): void {
    this.nextAt = at;
  }
}
