import { setImmediate } from 'node:timers';

import { describe, expect, it } from '@jest/globals';

import { inTurns, pageInTurns, sortedInTurns } from './in-turns.js';

/** How often others had their turn while this went on. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isOver = true;
  return turns;
}

const mixed = Array.from({ length: 100_000 }, (_, i) => (i * 7_919) % 100_003);

describe('work in turns', () => {
  it('lets others work after each so many items', async () => {
    const done: number[] = [];
    const turns = await turnsDuring(() => inTurns(mixed, 100, (item) => done.push(item)));
    expect(done).toEqual(mixed);
    expect(turns).toBeGreaterThanOrEqual(1_000);
  });

  it('sorts as at once, whatever the length, and lets others work meanwhile', async () => {
    for (const length of [0, 1, 1_999, 2_000, 2_001, 7_777]) {
      const some = mixed.slice(0, length);
      expect(await sortedInTurns(some, (a, b) => a - b)).toEqual(some.toSorted((a, b) => a - b));
    }
    // 50 pieces, and each item compared again in each of six rounds of merging.
    expect(await turnsDuring(() => sortedInTurns(mixed, (a, b) => a - b))).toBeGreaterThanOrEqual(50 + 6 * 45);
  });

  it('keeps those that are equal in their order', async () => {
    const pairs = mixed.slice(0, 5_000).map((value, at) => [value % 3, at] as const);
    const sorted = await sortedInTurns(pairs, (a, b) => a[0] - b[0]);
    expect(sorted).toEqual(pairs.toSorted((a, b) => a[0] - b[0]));
  });

  it.each([1, 7, 300, 5_000])('gives each page of %i as sorting all of it would', async (limit) => {
    const some = mixed.slice(0, 9_000);
    const sorted = some.toSorted((a, b) => a - b);
    for (const page of [1, 2, 3, Math.ceil(9_000 / limit), Math.ceil(9_000 / limit) + 1]) {
      const expected = sorted.slice((page - 1) * limit, page * limit);
      expect(await pageInTurns(some, (a, b) => a - b, { page, limit })).toEqual(expected);
    }
    expect(await pageInTurns([], (a: number, b) => a - b, { page: 1, limit })).toEqual([]);
  });

  it('stops when its signal says so', async () => {
    const stop = new AbortController();
    let done = 0;
    const work = inTurns(
      mixed,
      10,
      () => {
        done += 1;
        if (done === 25) stop.abort();
      },
      stop.signal,
    );
    await expect(work).rejects.toThrow();
    expect(done).toBe(30);
    await expect(sortedInTurns(mixed, (a, b) => a - b, stop.signal)).rejects.toThrow();
  });
});
