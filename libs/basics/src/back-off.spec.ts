import { getActiveResourcesInfo } from 'node:process';

import { describe, expect, it } from '@jest/globals';

import { BackOff, backOffMs } from './back-off.js';
import { pause } from './pause.js';

const NEVER_MS = 2 ** 31 - 1;

describe('a back-off', () => {
  it('doubles its pause with each failure, up to the longest', () => {
    const backOff = new BackOff({ firstMs: 100, maxMs: 700 });
    expect([backOff.failed(), backOff.failed(), backOff.failed(), backOff.failed(), backOff.failed()]).toEqual([
      100, 200, 400, 700, 700,
    ]);
    expect(backOff.failures).toBe(5);
  });

  it('begins again with the first pause once something succeeded', () => {
    const backOff = new BackOff({ firstMs: 100, maxMs: 700 });
    backOff.failed();
    backOff.failed();
    backOff.succeeded();
    expect([backOff.failures, backOff.failed()]).toEqual([0, 100]);
  });

  it('never exceeds the longest pause, however many failures there were', () => {
    expect(backOffMs({ firstMs: 1, maxMs: 5_000 }, 1e6)).toBe(5_000);
    expect(backOffMs({ firstMs: 9_000, maxMs: 5_000 }, 1)).toBe(5_000);
  });

  it('waits no longer than until its signal aborts, and counts that failure all the same', async () => {
    const stopping = new AbortController();
    const backOff = new BackOff({ firstMs: NEVER_MS, maxMs: NEVER_MS });
    const waiting = backOff.pause(stopping.signal);
    stopping.abort();
    await waiting;
    await backOff.pause(stopping.signal);
    expect(backOff.failures).toBe(2);
  });
});

describe('a pause', () => {
  it('leaves no timer once its signal has aborted', async () => {
    const timers = () => getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const stopping = new AbortController();
    const waiting = pause(NEVER_MS, stopping.signal);
    expect(timers()).toBe(before + 1);
    stopping.abort();
    await waiting;
    expect(timers()).toBe(before);
  });

  it('is over at once where nothing is left to wait for', async () => {
    await pause(-1);
    await pause(-Infinity);
  });
});
