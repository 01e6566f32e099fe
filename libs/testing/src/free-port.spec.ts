import { describe, expect, it } from '@jest/globals';

import { freePort } from './free-port.js';

describe('freePort', () => {
  it('never hands out a port twice, and none that outgoing connections may take', async () => {
    const ports = await Promise.all(Array.from({ length: 100 }, freePort));
    expect(new Set(ports).size).toBe(100);
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });
});
