import { pause } from './pause.js';

/** The pause after a first failure, and the longest one, milliseconds. */
export interface BackOffBounds {
  firstMs: number;
  maxMs: number;
}

/** The pause after the last of so many failures in a row: twice the one before it, at most `maxMs`. */
export function backOffMs({ firstMs, maxMs }: BackOffBounds, failures: number): number {
  return Math.min(firstMs * 2 ** (failures - 1), maxMs);
}

/** The pauses between the attempts of one task: each twice as long as the one before it, until an attempt succeeds. */
export class BackOff {
  private count = 0;

  constructor(private readonly bounds: BackOffBounds) {}

  /** Attempts that failed since the last one that succeeded. */
  get failures(): number {
    return this.count;
  }

  /** Counts one more failure; the pause that is due after it, milliseconds. */
  failed(): number {
    this.count += 1;
    return backOffMs(this.bounds, this.count);
  }

  /** Counts one more failure, and waits for the pause that is due, or until `signal` aborts. Never rejects. */
  async pause(signal?: AbortSignal): Promise<void> {
    await pause(this.failed(), signal);
  }

  succeeded(): void {
    this.count = 0;
  }
}
