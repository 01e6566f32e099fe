import { sql } from 'kysely';

import { HistoryUnavailableError } from '../errors.js';
import type { Database } from './store.js';

interface Identity {
  database: string;
  /** Null where there is no table. */
  table: string | null;
  /** How far its write-ahead log is, bytes; null where there is none to say so: a standby. */
  position: bigint | null;
}

/**
 * Insists that the address leads to the database that was opened: the same database, with the same table, whose log has not gone back. So one that was
 * dropped and made again, restored from a dump, or set back to an earlier moment is noticed, also behind a new connection.
 */
export class KeptPostgres {
  private known: Identity | null = null;

  async remember(db: Database): Promise<void> {
    this.known = await identityOf(db);
  }

  /** Throws HistoryUnavailableError `replaced`. */
  async mustBeKept(db: Database): Promise<void> {
    const { known } = this; // before the question: of two at once the later answer may be the older one
    if (known === null) return;
    const now = await identityOf(db);
    if (now.database !== known.database || now.table !== known.table) {
      throw replaced('dropped and made again, or restored');
    }
    if (now.position === null) return;
    if (known.position !== null && now.position < known.position) throw replaced('set back to an earlier moment');
    const newest = this.known?.position ?? null;
    if (newest === null || newest < now.position) this.known = now;
  }
}

async function identityOf(db: Database): Promise<Identity> {
  const { rows } = await sql<Omit<Identity, 'position'> & { position: string | null }>`
    select oid::text as database, to_regclass('sessions')::oid::text as "table",
      case when pg_is_in_recovery() then null else pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text end as position
    from pg_database where datname = current_database()`.execute(db);
  const [identity] = rows;
  if (identity === undefined) throw replaced('dropped');
  return { ...identity, position: identity.position === null ? null : BigInt(identity.position) };
}

function replaced(how: string): HistoryUnavailableError {
  return new HistoryUnavailableError('replaced', { cause: new Error(`The database was ${how} while it was open`) });
}
