import { sql, type Kysely, type Migration } from 'kysely';

import type { Store } from '../store/store.js';

/** What history is asked for by has an index, so that no question reads the whole table; groups, of which a row has several, a table of their own. */
export function questions(kind: Store['kind']): Migration {
  const isPostgres = kind === 'postgres';
  const text = sql.raw(isPostgres ? 'text collate "C"' : 'text');
  const clustered = sql.raw(isPostgres ? '' : 'without rowid');
  const members = sql.raw(
    isPostgres ? 'json_array_elements_text("groups"::json) as g(value)' : 'json_each(sessions."groups") as g',
  );
  const full = sql.raw(
    isPostgres ? 'json_array_elements(limits::json) as g(value)' : 'json_each(sessions.limits) as g',
  );
  return {
    async up(db: Kysely<unknown>) {
      await sql`create index idx_sessions_source_ip on sessions (source_ip, tenant, start_time)`.execute(db);
      await sql`create index idx_sessions_node on sessions (node, tenant, start_time)`.execute(db);
      // Most rows have none.
      await sql`create index idx_sessions_correlation_id on sessions (correlation_id, tenant, start_time)
        where correlation_id is not null`.execute(db);
      await sql`create table session_groups (tenant ${text} not null, name ${text} not null, start_time ${text} not null,
        session_id ${text} not null, constraint session_groups_key primary key (tenant, name, start_time, session_id)) ${clustered}`.execute(
        db,
      );
      const fill = sql`insert into session_groups (tenant, name, start_time, session_id) select distinct tenant`;
      await sql`${fill}, g.value, start_time, session_id from sessions, ${members} where "groups" <> '[]'`.execute(db);
      await sql`${fill}, g.value->>'key', start_time, session_id from sessions, ${full}
        where limits is not null and g.value->>'scope' = 'group' and g.value->>'key' is not null`.execute(db);
    },
  };
}
