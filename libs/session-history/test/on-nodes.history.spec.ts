import { expect, it } from '@jest/globals';

import type { LiveEvent, HistoryDatabase, HistoryFilter } from '../src/index.js';
import { describeDatabases } from './databases.fixture.js';
import { allRows } from './rows.fixture.js';

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

const live = (node: string, at: number): LiveEvent => ({
  kind: 'live',
  tenant: 'default',
  atMs: START_MS + at,
  position: `${START_MS + at}-0`,
  levels: [],
  begins: true,
  startedAtMs: START_MS + at,
  session: {
    id: `s${at}`,
    attempt: 1,
    user: 'alice',
    node,
    epoch: null,
    state: 'active',
    groups: [],
    priority: 'normal',
    from: null,
    to: null,
    sourceIp: '192.0.2.10',
    sourcePort: 5060,
    destination: '198.51.100.7:5060',
    protocol: 'sip',
    direction: null,
    correlationId: null,
    metadata: null,
  },
});

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
    await database.apply(NODES.map(live));
    const rows = await allRows(database, 'default', { nodes, sortDir: 'asc' });
    expect(rows.map(({ node }) => node)).toEqual(wanted);
    expect((await database.history('default', { nodes, user: 'alice', pageSize: 1 })).total).toBe(wanted.length);
    expect(await exported(database, { nodes })).toEqual(wanted);
  });
});
