import { InvalidInputError } from './errors.js';

/**
 * The refusal of an epoch that would begin a run ahead of time: its sender's clock is wrong, or it counts in another unit. Both clocks are
 * in milliseconds.
 */
export function futureEpoch(epoch: number, nowMs: number): InvalidInputError {
  return new InvalidInputError(
    'epoch',
    `must not begin a run more than ten minutes ahead of the clock of Redis: it is ${clock(epoch)}, the clock says ${clock(nowMs)}. ` +
      'Send the start of the node in milliseconds, or a number that grows by one with each start; microseconds are a likely cause',
  );
}

/** The last one that a Date can be. */
const LAST_DATE_MS = 8.64e15;

function clock(ms: number): string {
  return ms <= LAST_DATE_MS ? `${ms} (${new Date(ms).toISOString()})` : `${ms}`;
}
