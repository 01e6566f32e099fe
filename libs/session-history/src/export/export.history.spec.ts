import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readCsv } from '#testing';

import type { ExportFormat, HistoryDatabase, HistoryFilter, SessionRow } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { allRows } from '../../test/rows.fixture.js';
import { happening, World } from '../../test/world.fixture.js';

const START = Date.now() - 2 * 86_400_000;

describeDatabases('an export', ({ forAll, open }) => {
  const textOf = async (database: HistoryDatabase, filter: HistoryFilter, format: ExportFormat) => {
    let text = '';
    let rows = 0;
    for await (const chunk of database.export('default', filter, format)) {
      text += chunk.text;
      rows += chunk.rows;
    }
    return { text, rows };
  };

  it('has every row of the filter once, oldest first, unchanged on reading back', async () => {
    const filters = fc.constantFrom<HistoryFilter>(
      {},
      { user: '=cmd|x' },
      { status: 'closed' },
      { sinceMs: START + 86_400_000 },
    );
    await forAll(
      { sqlite: { short: 8, long: 20 }, postgres: { short: 3, long: 6 } },
      fc.asyncProperty(fc.array(happening(), { maxLength: 80 }), filters, async (list, filter) => {
        const database = await open();
        await database.apply(new World(START).run(list).events);
        const expected = await allRows(database, 'default', { ...filter, sortDir: 'asc' });
        const csv = await textOf(database, filter, 'csv');
        const [names = [], ...lines] = readCsv(csv.text);
        expect(lines.map((line) => Object.fromEntries(names.map((name, at) => [name, line[at]])))).toEqual(
          expected.map(asText),
        );
        const json = await textOf(database, filter, 'json-lines');
        expect(
          json.text
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as unknown),
        ).toEqual(expected.map(asObject));
        expect([csv.rows, json.rows]).toEqual([expected.length, expected.length]);
      }),
    );
  });

  it('goes on over many pieces, and takes along what comes in behind it', async () => {
    const database = await open();
    const { events } = new World(START).run(
      Array.from({ length: 5_100 }, (_, at) => ({
        what: 'admit' as const,
        who: at % 8,
        which: 2 * at,
        afterMs: at % 3 === 0 ? 0 : 1,
      })),
    );
    await database.apply(events.slice(0, 5_000));
    let rows = 0;
    for await (const chunk of database.export('default', {}, 'json-lines')) {
      rows += chunk.rows;
      await database.apply(events.slice(5_000));
    }
    expect(rows).toBe(5_100);
  });
});

const asText = (row: SessionRow) =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));

const asObject = (row: SessionRow) => ({
  ...row,
  groups: JSON.parse(row.groups) as unknown,
  metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as unknown),
  limits: row.limits === null ? null : (JSON.parse(row.limits) as unknown),
});
