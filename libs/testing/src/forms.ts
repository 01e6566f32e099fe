/** How much of the same a test does: `short` in `npm test`, `long` in `npm run test:long`. */
export interface Forms {
  short: number;
  long: number;
}

/**
 * The figure of the form that is run. Both forms test the same cases: the long one draws more examples, or has larger crowds, and takes minutes
 * where the short one takes seconds.
 */
export function inForm({ short, long }: Forms): number {
  return process.env['BERTH_TEST_LONG'] === '1' ? long : short;
}
