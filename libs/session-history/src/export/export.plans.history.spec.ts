import { expect, it } from '@jest/globals';

import { conditionsOf, rowFilter } from '../read/filter.js';
import { describeDatabases, expectIndexed, planOf, storeAt } from '../../test/databases.fixture.js';
import { FILTERS, START } from '../../test/filters.fixture.js';
import { World } from '../../test/world.fixture.js';
import { lastOf, rowsOf } from './export.js';

/** A piece of the rows below. */
const PIECE = { after: 100, upTo: 350 };
/** Where a step looks between two revisions, and at nothing before or behind them. */
const BOTH_ENDS_SQLITE = /idx_sessions_revision \(tenant=\? AND revision>\? AND revision<\?\)/;
const BOTH_ENDS_POSTGRES = /using idx_sessions_revision [^]*Index Cond: .*revision > .*revision <= /;

describeDatabases('an export that goes on by a cursor', ({ kind, url, open }) => {
  it('finds its pieces, and their rows, by the revision alone, whatever is filtered', async () => {
    const at = await url();
    const database = await open({ url: at });
    const happenings = Array.from({ length: 1_500 }, (_, n) => ({
      what: n % 3 === 2 ? ('end' as const) : ('admit' as const),
      who: n % 8,
      which: n,
      afterMs: 10_000,
    }));
    await database.apply(new World(START - 10_000_000).run(happenings).events);
    const store = storeAt(kind, at);
    try {
      const plans = [await planOf(store, lastOf('default', PIECE))];
      for (const filter of [{}, ...FILTERS]) {
        plans.push(await planOf(store, rowsOf('default', PIECE, conditionsOf(rowFilter(store, filter)))));
      }
      for (const plan of plans) {
        expectIndexed(plan);
        expect(plan).toMatch(kind === 'sqlite' ? BOTH_ENDS_SQLITE : BOTH_ENDS_POSTGRES);
      }
    } finally {
      await store.close();
    }
  });
});
