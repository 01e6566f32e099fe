import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';

import { historyError } from '../errors.js';
import { KeptPostgres } from './postgres-identity.js';
import type { Store, Tables } from './store.js';

/** The one lock that the writer of history holds; any number that nobody else uses. */
const WRITER_LOCK = 7_216_411_208;
const CONNECTIONS = 4;
const CONNECT_MS = 5_000;
/** A statement that takes longer is given up, so that a database that hangs is one that is away. */
const STATEMENT_MS = 10_000;

/** Sums and times of the size that occur here are exact as numbers. */
const NUMERIC_TYPES = new Set<number>([pg.types.builtins.INT8, pg.types.builtins.NUMERIC, pg.types.builtins.FLOAT8]);
const types = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    NUMERIC_TYPES.has(oid) ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

export function postgresStore(url: string, statementMs = STATEMENT_MS): Store {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: statementMs,
    statement_timeout: statementMs,
    application_name: 'berth-history',
    types,
  });
  pool.on('error', () => {}); // an idle connection that breaks is dropped; the caller that needs one gets the error
  pool.on('connect', (client) => client.on('error', () => {}));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const kept = new KeptPostgres();
  return {
    kind: 'postgres',
    db,
    keep: () => guarded(() => kept.remember(db)),
    mustBeKept: () => guarded(() => kept.mustBeKept(db)),
    change: null,
    write: (work) =>
      guarded(() =>
        db.transaction().execute(async (trx) => {
          await sql`select pg_advisory_xact_lock(${WRITER_LOCK})`.execute(trx);
          await kept.mustBeKept(trx);
          return await work(trx);
        }),
      ),
    read: (work) =>
      guarded(() => db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work)),
    elements: (json) => sql`json_array_elements(${json}::json) as r(value)`,
    entry: (at, type) => `cast(r.value->>${at} as ${type})`,
    listOfLists: (columns) => sql`json_agg(json_build_array(${sql.join(columns.map((name) => sql.ref(name)))}))::text`,
    matches: (column, pattern) => sql`${column} like ${pattern.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%')}`,
    // Dead rows go with the vacuum of the database, when no transaction may still see them.
    scrub: async () => {},
    close: () => db.destroy(),
  };
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw historyError(error);
  }
}
