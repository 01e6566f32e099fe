import { sql, type Kysely, type Migration } from 'kysely';

import { newLineage } from '../model/lineage.js';
import type { Store } from '../store/store.js';

/** Each row that is over has a number that rises with its changes, so that an export goes on where an earlier one ended. */
export function revisions(kind: Store['kind']): Migration {
  const isPostgres = kind === 'postgres';
  const bigint = sql.raw(isPostgres ? 'bigint' : 'integer');
  const text = sql.raw(isPostgres ? 'text collate "C"' : 'text');
  return {
    async up(db: Kysely<unknown>) {
      await sql`alter table sessions add column revision ${bigint}`.execute(db);
      await (isPostgres ? numberPostgres : numberSqlite).execute(db);
      await sql`create unique index idx_sessions_revision on sessions (tenant, revision) where revision is not null`.execute(
        db,
      );
      await sql`create table lineage (id ${text} not null primary key, revision ${bigint} not null)`.execute(db);
      const id = sql`cast(${newLineage()} as text)`;
      await sql`insert into lineage (id, revision) select ${id}, coalesce(max(revision), 0) from sessions`.execute(db);
    },
  };
}

const IS_OVER = sql`where end_time is not null or refusals > 0`;
const numberSqlite = sql`update sessions set revision = rowid ${IS_OVER}`;
const numberPostgres = sql`update sessions set revision = numbered.n from (select ctid as place,
  row_number() over (order by start_time) as n from sessions ${IS_OVER}) as numbered where sessions.ctid = numbered.place`;
