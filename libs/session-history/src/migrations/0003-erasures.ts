import { sql, type Kysely, type Migration } from 'kysely';

import type { Store } from '../store/store.js';

/** Erasures that are under way, so that the process that goes on after a crash knows what is to be done. */
export function erasures(kind: Store['kind']): Migration {
  const type = sql.raw(kind === 'postgres' ? 'text collate "C"' : 'text');
  return {
    async up(db: Kysely<unknown>) {
      await sql`create table erasures (id ${type} not null primary key, tenant ${type} not null, "user" ${type} not null,
        mode ${type} not null, before_time ${type} not null, asked_by ${type} not null)`.execute(db);
    },
  };
}
