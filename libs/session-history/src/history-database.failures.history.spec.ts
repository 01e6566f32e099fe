import { describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';

import { eventually, freePort } from '#testing';

import { HistoryDatabase } from './index.js';
import type { Store } from './store/store.js';
import { describeDatabases, failing } from '../test/databases.fixture.js';
import { World } from '../test/world.fixture.js';

const START = Date.now() - 3_600_000;
const admissions = (count: number) =>
  new World(START).run(
    Array.from({ length: count }, (_, at) => ({ what: 'admit' as const, who: at % 4, which: 0, afterMs: 1 })),
  ).events;
/** The database itself, to put it into the state that is tested. */
const storeOf = (database: HistoryDatabase) => (database as unknown as { store: Store }).store;

describeDatabases('a database that cannot serve', ({ open, url, kind, query, server }) => {
  it('is a typed error, the batch is not there at all, and the same batch works later', async () => {
    const at = await url();
    const database = await open({ url: at });
    await database.apply(admissions(2));
    const many = admissions(400);
    if (kind === 'sqlite') {
      const { db } = storeOf(database);
      const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(db);
      await sql.raw(`pragma max_page_count = ${(rows[0]?.page_count ?? 0) + 3}`).execute(db);
      expect(await failing(database.apply(many))).toBe('full');
      await sql.raw('pragma max_page_count = 1000000').execute(db);
      expect((await database.history('default')).total).toBe(2);
      await sql.raw('pragma query_only = 1').execute(db);
      expect(await failing(database.apply(many))).toBe('read-only');
      expect(await failing(database.check())).toBe('read-only');
      await sql.raw('pragma query_only = 0').execute(db);
    } else {
      const name = new URL(at).pathname.slice(1);
      await query(at, `alter database ${name} set default_transaction_read_only = on`);
      await query(server().url, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
      // Connections that were cut off are noticed first, each by the call that meets it.
      await eventually(async () => expect(await failing(database.apply(many))).toBe('read-only'));
      await query(server().url, `alter database ${name} reset default_transaction_read_only`);
      await query(server().url, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`);
    }
    await eventually(async () => await database.apply(many));
    expect((await database.history('default')).total).toBe(400);
    await database.check();
  });

  it('that another writer holds waits for it, then says so', async () => {
    if (kind !== 'sqlite') return;
    const at = await url();
    const [one, two] = [await open({ url: at }), await open({ url: at })];
    await storeOf(one).write(async () => {
      expect(await failing(two.apply(admissions(1)))).toBe('busy');
      expect((await two.history('default')).total).toBe(0);
    });
    await two.apply(admissions(1));
  });

  it('that is away fails each call, and serves again when it is back', async () => {
    if (kind !== 'postgres') return;
    const database = await open();
    await database.apply(admissions(1));
    await server().kill();
    expect(await failing(database.apply(admissions(3)))).toBe('away');
    expect(await failing(database.stats('default', START))).toBe('away');
    await server().restart();
    await database.apply(admissions(3));
    expect((await database.history('default')).total).toBe(3);
  });
});

describe('opening', () => {
  it('a PostgreSQL that is not there, or a path that cannot be, is a typed error', async () => {
    const port = await freePort();
    expect(await failing(HistoryDatabase.open({ url: `postgres://x@127.0.0.1:${port}/x` }))).toBe('away');
    expect(await failing(HistoryDatabase.open({ url: 'sqlite:///etc/passwd/history.db' }))).toBe('io');
  });

  it('another scheme is refused by the name of the setting', async () => {
    await expect(HistoryDatabase.open({ url: 'mysql://x' })).rejects.toMatchObject({ path: 'database_url' });
  });
});
