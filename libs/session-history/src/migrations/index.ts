import { Migrator, type Migration } from 'kysely';

import type { Store } from '../store/store.js';
import { sessionsAndRollups } from './0001-sessions-and-rollups.js';
import { endedBy } from './0002-ended-by.js';
import { erasures } from './0003-erasures.js';
import { questions } from './0004-questions.js';
import { revisions } from './0005-revisions.js';

/** In the order of their names; one that was ever released is never changed. */
const migrations = (kind: Store['kind']): Record<string, Migration> => ({
  '0001-sessions-and-rollups': sessionsAndRollups(kind),
  '0002-ended-by': endedBy(kind),
  '0003-erasures': erasures(kind),
  '0004-questions': questions(kind),
  '0005-revisions': revisions(kind),
});

/**
 * Brings the database to the present shape. Any number of processes may do so at once: one does it, the others wait for its lock and find it
 * done. Throws what the database says, also for one that a newer version has migrated.
 */
export async function migrate(store: Store): Promise<void> {
  const { error } = await migratorOf(store).migrateToLatest();
  if (error !== undefined) throw error;
}

export function migratorOf({ db, kind }: Store): Migrator {
  return new Migrator({ db, provider: { getMigrations: async () => migrations(kind) } });
}
