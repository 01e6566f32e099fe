import { sql, type Kysely, type Migration } from 'kysely';

import type { Store } from '../store/store.js';

/** Who had a session ended. Rows from before it say nobody. */
export function endedBy(kind: Store['kind']): Migration {
  const type = sql.raw(kind === 'postgres' ? 'text collate "C"' : 'text');
  return {
    async up(db: Kysely<unknown>) {
      await sql`alter table sessions add column ended_by ${type}`.execute(db);
    },
  };
}
