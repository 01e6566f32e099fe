import { expect, it } from '@jest/globals';

import { describeDatabases } from '../../test/databases.fixture.js';
import { migrate } from '../migrations/index.js';
import { blankRow, COLUMNS, type SessionRow } from '../model/row.js';
import { postgresStore } from '../store/postgres.js';
import { sqliteStore } from '../store/sqlite.js';
import { insertRows } from './statements.js';

describeDatabases('new rows', ({ kind, url, query }) => {
  it('have every column as it was given, also where no other row of the batch has it', async () => {
    const where = await url();
    const store = kind === 'sqlite' ? sqliteStore(where.replace('sqlite://', '')) : postgresStore(where);
    const blank = rowNumber(0);
    const rows: SessionRow[] = [blank];
    for (const [name, type] of Object.entries(COLUMNS)) {
      if (!(name in NAMED)) rows.push({ ...rowNumber(rows.length), [name]: valueOf(name, type) });
    }
    try {
      await migrate(store);
      await store.write((db) => insertRows(db, store, rows));
    } finally {
      await store.close();
    }
    const written = await query<SessionRow>(where, 'select * from sessions order by start_time');
    // PostgreSQL answers what may be too large for a number as text.
    expect(written.map(asText)).toEqual(rows.map(asText));
  });
});

const NAMED = { tenant: '', session_id: '', start_time: '' };

const rowNumber = (index: number): SessionRow =>
  blankRow({ tenant: 'default', session_id: `call-${index}`, start_time: new Date(index).toISOString() }, 1);

function valueOf(name: string, type: 'text' | 'bigint'): unknown {
  if (type === 'bigint') return 7;
  return name === 'groups' ? '["trunk:west"]' : `some ${name}`;
}

function asText(row: SessionRow): Record<string, string | null> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]));
}
