import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DAY_MS } from '#basics';
import { HistoryDatabase } from '#session-history';

import { live, ended } from '../../../session-history/test/history-events.fixture.js';
import { removeOld } from './remove-old.js';

const START = Date.now() - 10 * DAY_MS;
const ROWS = 5_000;

let database: HistoryDatabase;

beforeEach(async () => {
  database = await HistoryDatabase.open({ url: 'memory:' });
  await database.apply(
    Array.from({ length: ROWS }, (_, n) => [
      live(`s${n}`, { user: `u${n % 50}`, atMs: START + n }),
      ended(`s${n}`, { user: `u${n % 50}`, startedAtMs: START + n, atMs: START + n + 1 }),
    ]).flat(),
  );
});

afterEach(async () => {
  await database.close();
});

const left = async () => (await database.history('default')).total;
const removal = { cutoffMs: START + DAY_MS, signal: new AbortController().signal, progressMs: 1 };

describe('removing what is old', () => {
  it('says in between how far it is, and goes on to the end of rows and sums', async () => {
    const reported: number[] = [];
    const onProgress = (rows: number) => reported.push(rows) > 0;
    expect(await removeOld(database, { ...removal, onProgress })).toEqual({ done: true });
    expect(reported.length).toBeGreaterThan(1);
    expect(reported.reduce((sum, rows) => sum + rows, 0)).toBe(ROWS);
    expect(await left()).toBe(0);
    expect(await removeOld(database, { ...removal, onProgress: () => true })).toEqual({ done: true });
  });

  it('ends where nobody wants to go on', async () => {
    expect(await removeOld(database, { ...removal, onProgress: () => false })).toEqual({ done: false });
    expect(await left()).toBeGreaterThan(0);
  });

  it('ends after the batch at hand when it is stopped', async () => {
    const stop = new AbortController();
    const removing = removeOld(database, {
      ...removal,
      progressMs: 60_000,
      signal: stop.signal,
      onProgress: () => true,
    });
    stop.abort();
    expect(await removing).toEqual({ done: false });
    expect(await left()).toBeGreaterThanOrEqual(ROWS - 500);
  });
});
