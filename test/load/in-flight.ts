/** Calls `task` with 0, 1, 2, … `count - 1`, keeping `width` of them under way. Fails with the first that fails. */
export async function forEachInFlight(
  count: number,
  width: number,
  task: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
}

/** The same, timed: how many were done per second. */
export async function ratePerSecond(
  count: number,
  width: number,
  task: (index: number) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  await forEachInFlight(count, width, task);
  return count / ((performance.now() - start) / 1000);
}
