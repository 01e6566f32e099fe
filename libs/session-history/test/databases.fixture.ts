import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import * as fc from 'fast-check';
import { sql, type RawBuilder } from 'kysely';

import { askPostgres, inForm, startPostgres, type Forms, type PostgresServer } from '#testing';

import { HistoryDatabase, HistoryUnavailableError, type HistoryOptions } from '../src/index.js';
import { migratorOf } from '../src/migrations/index.js';
import { postgresStore } from '../src/store/postgres.js';
import { sqliteStore } from '../src/store/sqlite.js';
import type { Store } from '../src/store/store.js';

type Kind = 'sqlite' | 'postgres';

/** What a test of both databases is given. */
export interface Databases {
  kind: Kind;
  /** An empty database's URL. */
  url: () => Promise<string>;
  /** Opens an empty database, or the one at this URL; closed after the test. */
  open: (options?: Partial<HistoryOptions>) => Promise<HistoryDatabase>;
  /** The URL of a database as it was after this migration, without rows. */
  emptyAfter: (lastMigration: string) => Promise<string>;
  /** Holds a property for as many random examples as that kind of database has time for; what an example opened is closed after it. */
  forAll: <Example>(examples: Record<Kind, Forms>, property: fc.IAsyncPropertyWithHooks<Example>) => Promise<void>;
  /** Asks the database itself. */
  query: <Row>(url: string, text: string) => Promise<Row[]>;
  /** The PostgreSQL server. */
  server: () => PostgresServer;
}

/** The same tests on SQLite and on PostgreSQL, each test with a database of its own. */
export function describeDatabases(title: string, body: (databases: Databases) => void): void {
  describe.each(['sqlite', 'postgres'] as const)(`${title} (%s)`, (kind) => {
    let dir = '';
    let server: PostgresServer | undefined;
    const opened: HistoryDatabase[] = [];

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'berth-history-'));
      if (kind === 'postgres') server = await startPostgres();
    });
    const closeOpened = async () => {
      await Promise.all(opened.splice(0).map((database) => database.close().catch(() => {})));
    };
    afterEach(closeOpened);
    afterAll(async () => {
      await server?.stop();
      await rm(dir, { recursive: true, force: true });
    });

    const mustServer = () => {
      if (!server) throw new Error('No PostgreSQL here');
      return server;
    };
    const url = async () => {
      if (kind === 'sqlite') return `sqlite://${join(dir, `${randomUUID()}.db`)}`;
      const name = `h${randomUUID().replaceAll('-', '')}`;
      await askPostgres(mustServer().url, `create database ${name}`);
      return mustServer().url.replace(/\/postgres$/, `/${name}`);
    };
    body({
      kind,
      url,
      server: mustServer,
      async open(options = {}) {
        const database = await HistoryDatabase.open({ ...options, url: options.url ?? (await url()) });
        opened.push(database);
        return database;
      },
      async emptyAfter(lastMigration) {
        const at = await url();
        const store = storeAt(kind, at);
        const { error } = await migratorOf(store).migrateTo(lastMigration);
        await store.close();
        if (error !== undefined) throw error;
        return at;
      },
      async forAll(examples, property) {
        const parameters = { numRuns: inForm(examples[kind]), endOnFailure: kind === 'postgres' };
        await fc.assert(property.afterEach(closeOpened), parameters);
      },
      query: (of, text) => (kind === 'sqlite' ? askSqlite(of, text) : askPostgres(of, text)),
    });
  });
}

export function storeAt(kind: Kind, url: string): Store {
  return kind === 'sqlite' ? sqliteStore(url.replace('sqlite://', '')) : postgresStore(url);
}

/** The plan of a query, a step a line. */
export async function planOf(store: Store, query: RawBuilder<unknown>): Promise<string> {
  const { kind } = store;
  const plan = kind === 'sqlite' ? sql`explain query plan ${query}` : sql`explain ${query}`;
  const steps = await store.read(async (db) => {
    // So few rows PostgreSQL would rather read all: whether it can do otherwise is what is asked.
    if (kind === 'postgres') {
      for (const way of ['seqscan', 'sort', 'bitmapscan']) await sql.raw(`set local enable_${way} = off`).execute(db);
    }
    return (await plan.execute(db)).rows.map((row) => Object.values(row as object).join(' '));
  });
  return steps.join('\n');
}

/** Fails where the plan reads a whole table, or sorts more than what has the same start. */
export function expectIndexed(plan: string): void {
  expect(plan).not.toMatch(/SCAN (sessions|s|g)\b(?! USING)|Seq Scan/);
  expect(plan).not.toMatch(/USE TEMP B-TREE FOR ORDER BY|(^|-> +)Sort\b(?! Key)/m);
}

/** Why history was unavailable to this work, which fails. */
export async function failing(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(HistoryUnavailableError);
  return (error as HistoryUnavailableError).reason;
}

async function askSqlite<Row>(url: string, text: string): Promise<Row[]> {
  const { default: Libsql } = await import('libsql');
  const file = new Libsql(url.replace('sqlite://', ''));
  try {
    return file.prepare(text).all() as Row[];
  } finally {
    file.close();
  }
}
