import type { Command } from './command.js';

/**
 * Which of a node's commands are to be sent now: those that were never sent, and again after a while those that are still not
 * acknowledged. A pass goes over all that is unacknowledged, page by page. Times are milliseconds of a monotonic clock.
 */
export class Repetition {
  private sentAt = new Map<string, number>();
  private seen = new Map<string, number>();

  constructor(private readonly everyMs: number) {}

  /** A pass begins, whether or not the one before came to its end. */
  begin(): void {
    this.seen = new Map();
  }

  /** What of this page is to be sent. */
  due(page: readonly Command[], nowMs: number): Command[] {
    return page.filter(({ commandId }) => {
      const sentAt = this.sentAt.get(commandId);
      if (sentAt !== undefined) this.seen.set(commandId, sentAt);
      return sentAt === undefined || nowMs - sentAt >= this.everyMs;
    });
  }

  sent(commands: readonly Command[], nowMs: number): void {
    for (const { commandId } of commands) {
      this.sentAt.set(commandId, nowMs);
      this.seen.set(commandId, nowMs);
    }
  }

  /** The pass has seen every page: what was in none of them is acknowledged. Returns when the next command is due; Infinity if none is. */
  complete(): number {
    this.sentAt = this.seen;
    this.seen = new Map();
    let oldest = Infinity;
    for (const sentAt of this.sentAt.values()) oldest = Math.min(oldest, sentAt);
    return oldest + this.everyMs;
  }
}
