import { expect, it } from '@jest/globals';

import type { HistoryDatabase, HistoryFilter } from '../index.js';
import { describeDatabases } from '../../test/databases.fixture.js';
import { live } from '../../test/history-events.fixture.js';
import { allRows } from '../../test/rows.fixture.js';

const NODES = [
  'b2bua-1',
  'b2bua-10',
  'B2BUA-1',
  'x_y',
  'xzy',
  '100%',
  '1000',
  '[z]',
  'z',
  'a?c',
  'abc',
  'a\\c',
  'a*c',
  '',
];
const START_MS = Date.parse('2026-11-20T10:00:00Z');

async function exported(database: HistoryDatabase, filter: HistoryFilter): Promise<string[]> {
  const nodes: string[] = [];
  for await (const { text } of database.export('default', filter, 'json-lines')) {
    nodes.push(
      ...text
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { node: string }).node),
    );
  }
  return nodes;
}

describeDatabases("Rows of some nodes' sessions", ({ open }) => {
  it.each([
    [['b2bua-1'], ['b2bua-1']],
    [['b2bua-*'], ['b2bua-1', 'b2bua-10']],
    [['x_y'], ['x_y']],
    [['100%'], ['100%']],
    [['[z]'], ['[z]']],
    [['a?c'], ['a?c']],
    [['a\\c'], ['a\\c']],
    [['a*c'], ['a?c', 'abc', 'a\\c', 'a*c']],
    [['*'], NODES.filter((node) => node !== '')],
    [
      ['z', 'xzy'],
      ['xzy', 'z'],
    ],
    [[], []],
  ])('%j are those of these nodes alone, in lists, counts and exports', async (nodes, wanted) => {
    const database = await open();
    await database.apply(NODES.map((node, at) => live(`s${at}`, { node, atMs: START_MS + at })));
    const rows = await allRows(database, 'default', { nodes, sortDir: 'asc' });
    expect(rows.map(({ node }) => node)).toEqual(wanted);
    expect((await database.history('default', { nodes, user: 'alice', pageSize: 1 })).total).toBe(wanted.length);
    expect(await exported(database, { nodes })).toEqual(wanted);
  });
});
