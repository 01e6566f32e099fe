/** The middle of an odd number of figures; of an even number the mean of the two in the middle. */
export function median(figures: readonly number[]): number {
  return percentile(figures, 0.5);
}

/** The figure below which `share` of them lie, linear between neighbours. Throws on an empty list. */
export function percentile(figures: readonly number[], share: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (below === undefined || above === undefined) throw new Error('No figures to choose from');
  return below + (above - below) * (at - Math.floor(at));
}

/**
 * Measures several things in turn, round after round, so that whatever else the machine does in the meantime meets all of
 * them alike. Every second round goes backwards, so that none of them always follows the same one.
 *
 * The first round warms up and is not counted.
 */
export async function alternate<Name extends string>(
  rounds: number,
  contestants: Record<Name, (round: number) => Promise<number>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contestants) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const figure = await contestants[name](round);
      if (round > 0) figures[name].push(figure);
    }
  }
  return figures;
}

/** Of two series measured in turn: the median of each, and the median of the ratios round by round. */
export function compare(figures: readonly number[], baselines: readonly number[]) {
  const ratios = figures.map((figure, round) => figure / (baselines[round] ?? Number.NaN));
  return { value: median(figures), baseline: median(baselines), ratio: median(ratios) };
}
