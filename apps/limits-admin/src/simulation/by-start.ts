import { setImmediate } from 'node:timers/promises';

/** What has a start. */
interface Started {
  id: string;
  startedAtMs: number;
}

/**
 * One list of all pages, in the order of start. Each page is sorted by itself, then they are merged in pairs with a pause after each merge, so that
 * 100,000 sessions hold the event loop for a few milliseconds at a time.
 */
export async function byStart<T extends Started>(pages: T[][]): Promise<T[]> {
  let sorted: T[][] = [];
  for (const page of pages) {
    sorted.push(page.toSorted(inOrder));
    await setImmediate();
  }
  while (sorted.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < sorted.length; i += 2) {
      merged.push(merge(sorted[i] ?? [], sorted[i + 1] ?? []));
      await setImmediate();
    }
    sorted = merged;
  }
  return sorted[0] ?? [];
}

function inOrder(a: Started, b: Started): number {
  return a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1);
}

function merge<T extends Started>(left: T[], right: T[]): T[] {
  const merged: T[] = [];
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) {
    merged.push(inOrder(left[i]!, right[j]!) <= 0 ? left[i++]! : right[j++]!);
  }
  while (i < left.length) merged.push(left[i++]!);
  while (j < right.length) merged.push(right[j++]!);
  return merged;
}
