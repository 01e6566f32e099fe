import { describe, expect, it } from '@jest/globals';

import { eventually } from './eventually.js';

describe('eventually', () => {
  it('returns the first value that is neither false nor null', async () => {
    const values = [false, null, 0];
    expect(await eventually(() => values.shift() ?? null, { intervalMs: 1 })).toBe(0);
  });

  it('takes a body of expectations', async () => {
    let tries = 0;
    await eventually(
      () => {
        tries += 1;
        expect(tries).toBe(3);
      },
      { intervalMs: 1 },
    );
    expect(tries).toBe(3);
  });

  it('fails with what it waited for and the last error', async () => {
    const never = eventually(() => expect('red').toBe('green'), { timeoutMs: 20, intervalMs: 1, what: 'the light' });
    await expect(never).rejects.toThrow(/^Waited 20 ms for the light; .*toBe[^]*green/);
  });

  it('fails with the last value', async () => {
    await expect(eventually(() => null, { timeoutMs: 5, intervalMs: 1 })).rejects.toThrow('last value: null');
  });
});
