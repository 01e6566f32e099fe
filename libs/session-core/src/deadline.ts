/**
 * A deadline is counted in so many parts. A part counts once, however late its timer fires: the time in which this process stood still
 * (a long turn of its event loop, a stopped process, a machine that sleeps) is no silence of the other side.
 */
const PARTS = 4;

/**
 * Calls `expired` once `ms` milliseconds have passed in which this process ran; stopped with `clearTimeout`.
 *
 * Timers fire before sockets are read, so an answer may have arrived when the last part ends: the sockets are read once more first.
 * Where the answer settles the matter then, `expired` must change nothing.
 */
export function startDeadline(ms: number, expired: () => void): NodeJS.Timeout {
  let left = PARTS;
  const timer = setTimeout(() => {
    left -= 1;
    if (left > 0) timer.refresh();
    else setImmediate(expired);
  }, ms / PARTS);
  return timer;
}
