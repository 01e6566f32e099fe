import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import pg from 'pg';

import { startPostgres, type PostgresServer } from '#testing';

import { HistoryDatabase, type HistoryOptions } from '../src/index.js';

/** What a test of both databases is given. */
export interface Databases {
  kind: 'sqlite' | 'postgres';
  /** An empty database's URL. */
  url: () => Promise<string>;
  /** Opens an empty database, or the one at this URL; closed after the test. */
  open: (options?: Partial<HistoryOptions>) => Promise<HistoryDatabase>;
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
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((database) => database.close().catch(() => {})));
    });
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
      query: (of, text) => (kind === 'sqlite' ? askSqlite(of, text) : askPostgres(of, text)),
    });
  });
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

async function askPostgres<Row>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}
