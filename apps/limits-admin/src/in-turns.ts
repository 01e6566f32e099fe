import { setImmediate } from 'node:timers/promises';

/** Sorted, or compared, at a time: about a millisecond. */
const COMPARED_PER_TURN = 2_000;

/** Does something with one item after the other, and lets others work after every `perTurn` of them. Rejects where `signal` says stop. */
export async function inTurns<T>(
  items: Iterable<T>,
  perTurn: number,
  work: (item: T) => void,
  signal?: AbortSignal,
): Promise<void> {
  let left = perTurn;
  for (const item of items) {
    work(item);
    left -= 1;
    if (left > 0) continue;
    await setImmediate();
    signal?.throwIfAborted();
    left = perTurn;
  }
}

/** As `toSorted`, for lists of any length: pieces are sorted, then merged two by two, and others work in between. */
export async function sortedInTurns<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  signal?: AbortSignal,
): Promise<T[]> {
  let sorted: T[][] = [];
  for (let from = 0; from < items.length; from += COMPARED_PER_TURN) {
    sorted.push(items.slice(from, from + COMPARED_PER_TURN).toSorted(compare));
    await setImmediate();
    signal?.throwIfAborted();
  }
  while (sorted.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < sorted.length; i += 2) {
      const both: T[] = [];
      await inTurns(
        inOrder(sorted[i] ?? [], sorted[i + 1] ?? [], compare),
        COMPARED_PER_TURN,
        (item) => both.push(item),
        signal,
      );
      merged.push(both);
    }
    sorted = merged;
  }
  return sorted[0] ?? [];
}

/** A page of what `sortedInTurns` would give. An early page of a long list needs no order of all of it. */
export async function pageInTurns<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  { page, limit }: { page: number; limit: number },
): Promise<T[]> {
  const most = page * limit;
  if (4 * most >= items.length) return (await sortedInTurns(items, compare)).slice(most - limit, most);
  let first: T[] = [];
  for (let from = 0; from < items.length; from += COMPARED_PER_TURN) {
    const last = first.length === most ? first.at(-1) : undefined;
    const some = items.slice(from, from + COMPARED_PER_TURN);
    const nearer = last === undefined ? some : some.filter((item) => compare(item, last) < 0);
    if (nearer.length > 0) first = [...first, ...nearer].toSorted(compare).slice(0, most);
    await setImmediate();
  }
  return first.slice(most - limit, most);
}

function* inOrder<T>(left: readonly T[], right: readonly T[], compare: (a: T, b: T) => number): Generator<T> {
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) yield compare(left[i]!, right[j]!) <= 0 ? left[i++]! : right[j++]!;
  while (i < left.length) yield left[i++]!;
  while (j < right.length) yield right[j++]!;
}
