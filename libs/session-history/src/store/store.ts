import type { Kysely, RawBuilder } from 'kysely';

import type { KeptFile } from '../file/kept-file.js';
import type { Measures } from '../model/contributions.js';
import type { SessionRow } from '../model/row.js';

/** Sums of a bucket, and the levels seen in it; see the README. */
export interface RollupRow extends Measures {
  tenant: string;
  scope: string;
  name: string;
  /** Hours: 1, 24, or 0 for everything. */
  span: number;
  bucket: string;
  /** What the list of the most is ordered by; null where there is none. An hour has one as long as it is open. */
  rank: number | null;
  peak: number;
  /** The level after the newest event of the hour, and that event; null where there was none. */
  active: number | null;
  active_version: string | null;
}

/** Events that history did not get. */
export interface GapRow {
  tenant: string;
  shard: number;
  event_id: string;
  from_time: string;
  to_time: string;
  entries: number;
}

/** An erasure that is not finished. */
export interface ErasureRow {
  /** Made up; rows get it for a name. */
  id: string;
  tenant: string;
  /** '' once nothing of the name is left but in the log of the file. */
  user: string;
  mode: string;
  before_time: string;
  asked_by: string;
}

/** A row and a group that it counts for. */
export interface GroupRow {
  tenant: string;
  /** `kind:name` */
  name: string;
  start_time: string;
  session_id: string;
}

/** One row: whose revisions these are, and the highest of them. */
export interface LineageRow {
  id: string;
  revision: number;
}

export interface Tables {
  sessions: SessionRow;
  session_groups: GroupRow;
  rollups: RollupRow;
  gaps: GapRow;
  erasures: ErasureRow;
  lineage: LineageRow;
}

export type Database = Kysely<Tables>;

/** One of the databases that history can be in: what differs between them, and nothing else. */
export interface Store {
  readonly kind: 'sqlite' | 'postgres' | 'memory';
  readonly db: Database;
  /** Called once the database has its present shape: from then on each call insists that it is still this database. */
  keep(): Promise<void>;
  /** Throws HistoryUnavailableError, `replaced` where the path or address leads to another database than when it was opened. */
  mustBeKept(): Promise<void>;
  /** What of a SQLite file is not at its place any more; see `KeptFile`. */
  readonly change: KeptFile['change'];
  /** One writer at a time, also among processes; all or nothing. Throws HistoryUnavailableError. */
  write<T>(work: (db: Database) => Promise<T>): Promise<T>;
  /** Everything that is read in it is of one moment. Throws HistoryUnavailableError. */
  read<T>(work: (db: Database) => Promise<T>): Promise<T>;
  /** The elements of a JSON list as rows `r` with the column `value`, itself a list. */
  elements(json: string): RawBuilder<unknown>;
  /** SQL for an entry of `r.value`, to be put into a column of this type or compared with one. */
  entry(at: number, type: string): string;
  /** Many rows as one JSON text, which a driver hands over several times faster: a list of a list of values a row. */
  listOfLists(columns: readonly string[]): RawBuilder<string | null>;
  /** Whether a text is as the pattern, in which `*` stands for any characters and every other one for itself. */
  matches(column: RawBuilder<unknown>, pattern: string): RawBuilder<boolean>;
  /** Leaves of what was deleted or overwritten nothing in the files that can be read, as far as the database lets us. Throws HistoryUnavailableError. */
  scrub(): Promise<void>;
  close(): Promise<void>;
}
