import { describe, expect, it } from '@jest/globals';

import { alternate, compare, median, percentile } from './rounds.js';

describe('rounds', () => {
  it('finds the middle and the parts between', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(percentile([0, 10, 20, 30, 40], 0.99)).toBeCloseTo(39.6);
    expect(percentile([7], 1)).toBe(7);
    expect(() => median([])).toThrow('No figures');
  });

  it('takes turns, back and forth, and does not count the first round', async () => {
    const turns: string[] = [];
    const turn = (name: string) => async (round: number) => {
      turns.push(`${name}${round}`);
      return round;
    };
    const figures = await alternate(2, { a: turn('a'), b: turn('b') });
    expect(turns).toEqual(['a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
    expect(figures).toEqual({ a: [1, 2], b: [1, 2] });
  });

  it('compares round by round, so that a slow moment of the machine cancels out', () => {
    expect(compare([10, 100, 10], [5, 50, 5])).toEqual({ value: 10, baseline: 5, ratio: 2 });
    expect(compare([10, 80, 30], [10, 40, 10]).ratio).toBe(2);
  });
});
