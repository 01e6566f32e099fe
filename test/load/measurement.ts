/** One figure of a bench, with what it was compared to in the same run. */
export interface Measurement {
  /** `bench` or `bench/part`, e.g. `core.admit-end/redis-semaphore`. */
  name: string;
  value: number;
  unit: string;
  /** The same quantity of what it is compared to; null for a figure that stands alone. */
  baseline: number | null;
  /** Value by baseline: the median over the rounds, so it need not be the quotient of the two medians. */
  ratio: number | null;
  target?: Target;
}

/** What the figure shall be. `of` says whether the ratio or the value is meant. */
export interface Target {
  of: 'ratio' | 'value';
  is: 'at least' | 'above' | 'at most';
  bound: number;
}

/** Whether a figure meets its target; null for one that has none. */
export function isMet({ target, ratio, value }: Measurement): boolean | null {
  if (target === undefined) return null;
  const figure = target.of === 'ratio' ? ratio : value;
  if (figure === null) return false;
  if (target.is === 'at least') return figure >= target.bound;
  return target.is === 'above' ? figure > target.bound : figure <= target.bound;
}
