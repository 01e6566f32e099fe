import type { Logger } from '../logging/logger.js';
import { SpacedLines } from '../logging/spaced-lines.js';

/** Of so many sources the numbers are kept within one second; those beyond count in the sum. */
const MAX_SOURCES = 1_000;
const MAX_NAMED = 20;

/** Writes who sends no key or a wrong one: at most one line a second, with how many and from where. */
export class FailureLog {
  private count = 0;
  private readonly bySource = new Map<string, number>();
  private readonly lines = new SpacedLines(() => this.line());

  constructor(private readonly logger: Logger) {}

  failed(source: string): void {
    this.count += 1;
    const before = this.bySource.get(source);
    if (before !== undefined || this.bySource.size < MAX_SOURCES) this.bySource.set(source, (before ?? 0) + 1);
    this.lines.due();
  }

  /** Writes what is left. */
  stop(): void {
    this.lines.stop();
    this.line();
  }

  private line(): boolean {
    if (this.count === 0) return false;
    const sources = [...this.bySource]
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, MAX_NAMED)
      .map(([source, count]) => ({ source, count }));
    this.logger.warn({ count: this.count, sources }, 'Calls without a known key');
    this.count = 0;
    this.bySource.clear();
    return true;
  }
}
