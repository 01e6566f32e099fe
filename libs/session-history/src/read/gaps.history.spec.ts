import { expect, it } from '@jest/globals';

import { HOUR_MS } from '#basics';

import { historyEvent } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';

const T0 = Date.UTC(2026, 10, 20, 10);

/** As the trimmer leaves it in the stream. */
function lost(id: string, fromMs: number, toMs: number, entries: number, tenant = 'default') {
  const times = { at: String(toMs + HOUR_MS), from: String(fromMs), to: String(toMs) };
  const fields = { v: '1', id, type: 'events.lost', tenant, entries: String(entries), ...times };
  const event = historyEvent({ position: `${toMs + HOUR_MS}-0`, shard: 0, fields });
  if (event === null) throw new Error('Nothing of history');
  return event;
}

describeDatabases('events that history did not get', ({ open }) => {
  const [first, second] = [lost('a', T0, T0 + 2 * HOUR_MS, 500), lost('b', T0 + HOUR_MS, T0 + 3 * HOUR_MS, 7)];
  const later = lost('c', T0 + 10 * HOUR_MS, T0 + 10 * HOUR_MS + 5, 1);

  it('are times with how many are known to be missing, those that touch in one', async () => {
    const database = await open();
    expect(await database.gaps('default')).toEqual([]);
    await database.apply([later, second, first, lost('x', T0, T0 + 1, 3, 'other')]);
    expect(await database.gaps('default')).toEqual([
      { fromMs: T0, toMs: T0 + 3 * HOUR_MS, entries: 507 },
      { fromMs: T0 + 10 * HOUR_MS, toMs: T0 + 10 * HOUR_MS + 5, entries: 1 },
    ]);
  });

  it('are those of the window alone', async () => {
    const database = await open();
    await database.apply([first, later]);
    expect(await database.gaps('default', { sinceMs: T0 + 2 * HOUR_MS })).toHaveLength(2);
    expect(await database.gaps('default', { sinceMs: T0 + 2 * HOUR_MS + 1 })).toHaveLength(1);
    expect(await database.gaps('default', { sinceMs: T0 + 11 * HOUR_MS })).toEqual([]);
    expect(await database.gaps('default', { untilMs: T0 + 10 * HOUR_MS })).toHaveLength(1);
    expect(await database.gaps('default', { sinceMs: T0 + 3 * HOUR_MS, untilMs: T0 + 10 * HOUR_MS })).toEqual([]);
  });

  it('are known once, however often they come', async () => {
    const database = await open();
    await database.apply([first, first]);
    await database.apply([first]);
    expect(await database.gaps('default')).toMatchObject([{ entries: 500 }]);
  });

  it('are forgotten with the rows that could be missing', async () => {
    const database = await open();
    await database.apply([first, later]);
    await database.removeOlderThan(T0 + 5 * HOUR_MS);
    expect(await database.gaps('default')).toMatchObject([{ entries: 1 }]);
  });
});
