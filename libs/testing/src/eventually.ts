import { setTimeout as delay } from 'node:timers/promises';

export interface EventuallyOptions {
  /** How long to try; 60 s by default. No speed is asserted: a machine whose cores are busy needs its time. */
  timeoutMs?: number;
  /** The pause between two tries; 25 ms by default. */
  intervalMs?: number;
  /** What is waited for, in the words of the failure message. */
  what?: string;
}

/**
 * Waits until `condition` neither throws nor returns false or null, and returns what it returned.
 *
 * So it takes a predicate as well as a body of `expect` calls. After `timeoutMs` it fails with what was waited for and
 * the last error or value.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 60_000, intervalMs = 25, what = 'the condition' }: EventuallyOptions = {},
): Promise<Exclude<T, false | null>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (isFulfilled(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) throw new Error(failure(what, timeoutMs, last), { cause: last });
    await delay(intervalMs);
  }
}

function isFulfilled<T>(value: T): value is Exclude<T, false | null> {
  return value !== false && value !== null;
}

function failure(what: string, timeoutMs: number, last: unknown): string {
  const seen = last instanceof Error ? last.message : `last value: ${String(last)}`;
  return `Waited ${timeoutMs} ms for ${what}; ${seen}`;
}
