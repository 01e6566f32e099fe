import { sql, type RawBuilder } from 'kysely';

import { groupsOf } from '../model/contributions.js';
import { blankRow, COLUMN_NAMES, COLUMNS, LIFE_COLUMNS, type SessionRow } from '../model/row.js';
import type { Database, Store } from '../store/store.js';

// Rows go to the database as one JSON text, so that a batch is one statement whose text never changes: as lists of values it took a third longer.

const KEY = ['tenant', 'session_id', 'start_time'] as const;
const LIFE_NAMES = [...KEY, ...LIFE_COLUMNS];
const LIFE = Object.fromEntries(LIFE_NAMES.map((name) => [name, COLUMNS[name]]));
const MEMBER = ['tenant', 'name', 'start_time', 'session_id'] as const;
const MEMBER_TYPES = { tenant: 'text', name: 'text', start_time: 'text', session_id: 'text' } as const;
const KEY_TYPES = { tenant: 'text', session_id: 'text', start_time: 'text' } as const;

export const names = (columns: readonly string[]) => sql.raw(columns.map((name) => `"${name}"`).join(', '));

/** SQL that selects rows, each given as the list of its values in the order of these columns. */
export function selected(
  store: Store,
  rows: readonly (readonly unknown[])[],
  columns: Readonly<Record<string, string>>,
): RawBuilder<unknown> {
  const entries = Object.entries(columns).map(([name, type], at) => `${store.entry(at, type)} as "${name}"`);
  return sql`select ${sql.raw(entries.join(', '))} from ${store.elements(JSON.stringify(rows))}`;
}

/** The rows that these name: by tenant, session id and a third column, which is the start, the event of a refusal, or the status of a session. */
export async function rowsNamed(
  db: Database,
  store: Store,
  named: readonly (readonly string[])[],
  third: 'start_time' | 'event_id' | 'status',
): Promise<SessionRow[]> {
  const { rows } = await sql<{ list: string | null }>`select ${store.listOfLists(COLUMN_NAMES)} as list
    from ${store.elements(JSON.stringify(named))} cross join sessions
    where tenant = r.value->>0 and session_id = r.value->>1 and ${sql.raw(third)} = r.value->>2`.execute(db);
  return (JSON.parse(rows[0]?.list ?? '[]') as unknown[][]).map(rowOf);
}

const NOBODY = { tenant: '', session_id: '', start_time: '' };

function rowOf(values: readonly unknown[]): SessionRow {
  const row: SessionRow = blankRow(NOBODY, 0);
  const cells = row as unknown as Record<string, unknown>;
  COLUMN_NAMES.forEach((name, at) => (cells[name] = values[at]));
  return row;
}

/** What is blank in the row of a session of which nothing unusual is known. */
const UNUSUAL = [
  'packets_sent',
  'packets_received',
  'acl_rule_matched',
  'acl_decision',
  'note',
  'refusals',
  'refused_by',
  'limits',
  'event_id',
  'ended_by',
] as const satisfies readonly (keyof SessionRow)[];
const BLANK = blankRow(NOBODY, 0);
const USUAL_NAMES = COLUMN_NAMES.filter((name) => !(UNUSUAL as readonly string[]).includes(name));
const USUAL = Object.fromEntries(USUAL_NAMES.map((name) => [name, COLUMNS[name]]));

/** New rows. To read a column out of JSON takes 0.25 µs, so the ten that are blank in most rows are not read. */
export async function insertRows(db: Database, store: Store, rows: readonly SessionRow[]): Promise<void> {
  const [usual, unusual] = [[] as SessionRow[], [] as SessionRow[]];
  for (const row of rows) (UNUSUAL.every((name) => row[name] === BLANK[name]) ? usual : unusual).push(row);
  if (usual.length > 0) {
    const lists = usual.map((row) => USUAL_NAMES.map((name) => row[name]));
    const blanks = sql.join(UNUSUAL.map((name) => sql.lit(BLANK[name])));
    await sql`insert into sessions (${names([...USUAL_NAMES, ...UNUSUAL])})
      select usual.*, ${blanks} from (${selected(store, lists, USUAL)}) as usual`.execute(db);
  }
  if (unusual.length > 0) {
    const lists = unusual.map((row) => Object.values(row)); // every row has its columns in the order of the table
    await sql`insert into sessions (${names(COLUMN_NAMES)}) ${selected(store, lists, COLUMNS)}`.execute(db);
  }
  const members = membersOf(rows);
  if (members.length === 0) return;
  await sql`insert into session_groups (${names(MEMBER)}) ${selected(store, members, MEMBER_TYPES)}`.execute(db);
}

const LIFE_SETS = sql.raw(LIFE_COLUMNS.map((name) => `"${name}" = c."${name}"`).join(', '));
const SAME_KEY = sql.raw(KEY.map((name) => `sessions."${name}" = c."${name}"`).join(' and '));

/** Changes what the end of a session changes, and nothing else. */
export async function updateLife(db: Database, store: Store, rows: readonly SessionRow[]): Promise<void> {
  const lists = rows.map((row) => LIFE_NAMES.map((name) => row[name]));
  await sql`update sessions set ${LIFE_SETS} from (${selected(store, lists, LIFE)}) as c where ${SAME_KEY}`.execute(db);
}

export async function deleteRows(db: Database, store: Store, rows: readonly SessionRow[]): Promise<void> {
  const keys = rows.map((row) => KEY.map((name) => row[name]));
  await sql`delete from sessions where (${names(KEY)}) in (${selected(store, keys, KEY_TYPES)})`.execute(db);
  const members = membersOf(rows);
  if (members.length === 0) return;
  const theirs = selected(store, members, MEMBER_TYPES);
  await sql`delete from session_groups where (${names(MEMBER)}) in (${theirs})`.execute(db);
}

/** What the table of groups has of these rows: who is in which group, for questions about one. */
function membersOf(rows: readonly SessionRow[]): string[][] {
  return rows.flatMap((row) => [...groupsOf(row)].map((name) => [row.tenant, name, row.start_time, row.session_id]));
}
