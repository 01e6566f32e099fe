import { sql, type RawBuilder } from 'kysely';

import { COLUMN_NAMES, COLUMNS, LIFE_COLUMNS, type SessionRow } from '../model/row.js';
import type { Database, RollupRow, Store } from '../store/store.js';

// Rows go to the database as one JSON text, so that a batch is one statement whose text never changes: as lists of values it took a third longer.

const KEY = ['tenant', 'session_id', 'start_time'] as const;
const SUMS = ['entries', 'sessions', 'ended', 'bytes_sent', 'bytes_received', 'duration_secs', 'refusals'] as const;
const ROLLUP_COLUMNS = {
  tenant: 'text',
  scope: 'text',
  name: 'text',
  span: 'integer',
  bucket: 'text',
  ...(Object.fromEntries(SUMS.map((name) => [name, 'numeric'])) as Record<(typeof SUMS)[number], 'numeric'>),
  rank: 'numeric',
  peak: 'bigint',
  active: 'bigint',
  active_version: 'text',
} as const satisfies Record<keyof RollupRow, string>;
const ROLLUP_NAMES = Object.keys(ROLLUP_COLUMNS) as (keyof RollupRow)[];

const names = (columns: readonly string[]) => sql.raw(columns.map((name) => `"${name}"`).join(', '));
/** The values of one row, in the order of the columns, from the JSON list `r.value`. */
const values = (types: readonly (readonly [string, string])[]) =>
  sql.raw(types.map(([name, type], at) => `cast(r.value->>${at} as ${type}) as "${name}"`).join(', '));

const SESSION_NAMES = names(COLUMN_NAMES);
const SESSION_VALUES = values(Object.entries(COLUMNS));
const LIFE_VALUES = values([...KEY, ...LIFE_COLUMNS].map((name) => [name, COLUMNS[name]] as const));
const LIFE_SETS = sql.raw(LIFE_COLUMNS.map((name) => `"${name}" = c."${name}"`).join(', '));
const SAME_KEY = sql.raw(KEY.map((name) => `sessions."${name}" = c."${name}"`).join(' and '));
const KEY_VALUES = values(KEY.map((name) => [name, 'text'] as const));

/** The rows with these keys. */
export async function rowsAt(db: Database, store: Store, keys: readonly (readonly string[])[]): Promise<SessionRow[]> {
  const list = store.elements(JSON.stringify(keys));
  const { rows } = await sql<SessionRow>`select sessions.* from ${list} cross join sessions
    where sessions.tenant = r.value->>0 and sessions.session_id = r.value->>1 and sessions.start_time = r.value->>2`.execute(
    db,
  );
  return rows;
}

/** The rows of these refusals, each named by tenant, session id and event id. */
export async function refusalsOf(
  db: Database,
  store: Store,
  named: readonly (readonly string[])[],
): Promise<SessionRow[]> {
  const list = store.elements(JSON.stringify(named));
  const { rows } = await sql<SessionRow>`select sessions.* from ${list} cross join sessions
    where sessions.tenant = r.value->>0 and sessions.session_id = r.value->>1 and sessions.event_id = r.value->>2`.execute(
    db,
  );
  return rows;
}

export async function insertRows(db: Database, store: Store, rows: readonly SessionRow[]): Promise<void> {
  const list = jsonOf(store, rows, COLUMN_NAMES);
  await sql`insert into sessions (${SESSION_NAMES}) select ${SESSION_VALUES} from ${list}`.execute(db);
}

/** Changes what the end of a session changes, and nothing else. */
export async function updateLife(db: Database, store: Store, rows: readonly SessionRow[]): Promise<void> {
  const list = jsonOf(store, rows, [...KEY, ...LIFE_COLUMNS]);
  await sql`update sessions set ${LIFE_SETS} from (select ${LIFE_VALUES} from ${list}) as c where ${SAME_KEY}`.execute(
    db,
  );
}

export async function deleteRows(db: Database, store: Store, rows: readonly SessionRow[]): Promise<void> {
  const list = jsonOf(store, rows, KEY);
  await sql`delete from sessions where (tenant, session_id, start_time) in (select ${KEY_VALUES} from ${list})`.execute(
    db,
  );
}

/** Adds to the sums what has changed. Their order is that of the key, so that neighbours are written together. */
export async function addToRollups(db: Database, store: Store, rows: readonly RollupRow[]): Promise<void> {
  const list = jsonOf(store, rows, ROLLUP_NAMES);
  await sql`insert into rollups (${names(ROLLUP_NAMES)}) select ${ROLLUP_VALUES} from ${list} where true
    on conflict (tenant, scope, name, span, bucket) do update set ${ROLLUP_SETS}`.execute(db);
}

const ROLLUP_VALUES = values(Object.entries(ROLLUP_COLUMNS));
const ROLLUP_SETS = sql.raw(
  [
    ...SUMS.map((name) => `${name} = rollups.${name} + excluded.${name}`),
    'rank = rollups.rank + excluded.rank',
    newest('peak', 'excluded.peak > rollups.peak'),
    ...['active', 'active_version'].map((name) =>
      newest(name, `excluded.active_version >= coalesce(rollups.active_version, '')`),
    ),
  ].join(', '),
);

function newest(name: string, isNewer: string): string {
  return `${name} = case when ${isNewer} then excluded.${name} else rollups.${name} end`;
}

function jsonOf<Row>(store: Store, rows: readonly Row[], columns: readonly (keyof Row)[]): RawBuilder<unknown> {
  return store.elements(JSON.stringify(rows.map((row) => columns.map((name) => row[name]))));
}
