import Libsql from 'libsql';
import {
  Kysely,
  sql,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type SqliteDatabase,
  type SqliteStatement,
  type TransactionSettings,
} from 'kysely';

import { historyError } from '../errors.js';
import { rewriteFile } from '../file/rewrite.js';
import { KeptFile } from '../file/kept-file.js';
import { Checkpoints } from './checkpoints.js';
import type { Store, Tables } from './store.js';

/** How long a statement waits for another process that writes. The process stands still meanwhile, so not long. */
const BUSY_MS = 1_000;
/** While another process migrates. */
const BUSY_AT_OPEN_MS = 30_000;
/** At so many pages of log, of 4 kB each, the writer itself writes it back; before that `Checkpoints` does. */
const MAX_LOG_PAGES = 40_000;

/**
 * A SQLite file, or memory where the path is null. In WAL mode: readers of other processes see a consistent state and stop nobody.
 * With `synchronous` normal a power cut can forget the last transactions, never damage the file; what was forgotten is in the stream
 * only until it was acknowledged, so the writer syncs before it acknowledges: `full`.
 */
export function sqliteStore(path: string | null): Store {
  const file = openFile(path);
  const db = new Kysely<Tables>({ dialect: dialectOf(file) });
  const checkpoints = path === null ? null : new Checkpoints(path, file);
  let kept: KeptFile | null = null;
  // Who writes waits here, and not in SQLite, where the process would stand still.
  let scrubbing: Promise<void> = Promise.resolve();
  const rowsWritten = file.prepare('select total_changes() as count');
  const within = async <T>(accessMode: 'read only' | 'read write', work: (trx: Kysely<Tables>) => Promise<T>) => {
    try {
      const result = await db.transaction().setAccessMode(accessMode).execute(work);
      // Afterwards: what was committed into a file that is gone counts as not done.
      kept?.mustBeKept();
      return result;
    } catch (error) {
      throw historyError(error);
    }
  };
  return {
    kind: path === null ? 'memory' : 'sqlite',
    db,
    async keep() {
      await sql.raw(`pragma busy_timeout = ${BUSY_MS}`).execute(db);
      if (path !== null) kept = new KeptFile(path);
    },
    mustBeKept: async () => kept?.mustBeKept(),
    get change() {
      return kept?.change ?? null;
    },
    async write(work) {
      await scrubbing;
      const result = await within('read write', work);
      checkpoints?.after((rowsWritten.get() as { count: number }).count);
      return result;
    },
    read: (work) => within('read only', work),
    // Each row is parsed once, and not for each of its columns; the limit keeps the planner from undoing that. Three times as fast.
    elements: (json) => sql`(select jsonb(value) as value from json_each(${json}) limit -1 offset 0) as r`,
    // What JSON has is what the column wants: text as text, numbers as numbers.
    entry: (at) => `r.value->>${at}`,
    listOfLists: (columns) => sql`json_group_array(json_array(${sql.join(columns.map((name) => sql.ref(name)))}))`,
    // Of what `glob` reads as more than itself all but the star stands in brackets.
    matches: (column, pattern) => sql`${column} glob ${pattern.replaceAll(/[?[]/g, '[$&]')}`,
    async scrub() {
      if (path === null) return;
      const scrubbed = scrubbing.then(async () => await rewriteFile(path));
      scrubbing = scrubbed.catch(() => {});
      try {
        await scrubbed;
      } catch (error) {
        throw historyError(error);
      }
    },
    async close() {
      await checkpoints?.close();
      // Statements live on until they are collected, so that closing alone would leave the log as it is.
      if (path !== null) emptyLog(file);
      await db.destroy();
      kept?.removeLeftLog();
    },
  };
}

function openFile(path: string | null): Libsql.Database {
  try {
    const file = new Libsql(path ?? ':memory:');
    file.exec(`pragma busy_timeout = ${BUSY_AT_OPEN_MS}`);
    if (path !== null) {
      file.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = ${MAX_LOG_PAGES}`);
    }
    file.exec('pragma cache_size = -32768; pragma temp_store = memory');
    return file;
  } catch (error) {
    throw historyError(error);
  }
}

function emptyLog(file: Libsql.Database): void {
  try {
    file.exec('pragma wal_checkpoint(truncate)');
  } catch {
    // somebody else is at it, or the file is damaged: the process that opens it next reads the log
  }
}

function dialectOf(file: Libsql.Database): Dialect {
  return {
    createAdapter: () => new TransactionalAdapter(),
    createDriver: () => new ImmediateDriver(file),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Migrations run in a transaction, whose lock keeps other processes waiting; Kysely itself expects SQLite to have but one. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/**
 * A transaction that will write takes the lock at its start: one that only finds out later may not wait for it any more. What begins and
 * ends one is executed, not prepared: a prepared `begin` that found the lock taken would stay under way, and no later one could commit.
 */
class ImmediateDriver extends SqliteDriver {
  constructor(private readonly file: Libsql.Database) {
    super({ database: keepingStatements(file) });
  }

  override async beginTransaction(_connection: DatabaseConnection, settings?: TransactionSettings): Promise<void> {
    this.file.exec(settings?.accessMode === 'read only' ? 'begin' : 'begin immediate');
  }

  override async commitTransaction(): Promise<void> {
    this.file.exec('commit');
  }

  /** Some failures, a full disk among them, have rolled back already. */
  override async rollbackTransaction(): Promise<void> {
    if (this.file.inTransaction) this.file.exec('rollback');
  }
}

/** Of history's own statements there are fewer. */
const MAX_STATEMENTS = 128;

/**
 * Prepares each text once. The memory of a statement is only given back when it is collected, which may be long after; and preparing takes
 * a tenth of the time of a batch. One that failed is not used again: it may still be under way.
 */
function keepingStatements(file: Libsql.Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => file.close(),
    prepare(text) {
      const statement = statements.get(text) ?? file.prepare(text);
      if (statements.size < MAX_STATEMENTS) statements.set(text, statement);
      const using = <T>(use: () => T): T => {
        try {
          return use();
        } catch (error) {
          statements.delete(text);
          throw error;
        }
      };
      return {
        reader: statement.reader,
        all: (parameters) => using(() => statement.all(parameters)),
        run: (parameters) => using(() => statement.run(parameters)),
        iterate: (parameters) => statement.iterate(parameters),
      };
    },
  };
}
