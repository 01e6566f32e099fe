import { sql, type ColumnDataType, type Kysely, type Migration } from 'kysely';

import type { Store } from '../store/store.js';

type Type = 'text' | 'int' | 'bigint' | 'sum';

/**
 * PostgreSQL compares text by the rules of a language by default; SQLite by bytes, as here. Sums are unbounded, so that no
 * server's absurd totals can stop the writer; SQLite has that anyway.
 */
const OF_POSTGRES: Record<Type, string> = {
  text: 'text collate "C"',
  int: 'integer',
  bigint: 'bigint',
  sum: 'numeric',
};
const OF_SQLITE: Record<Type, string> = { text: 'text', int: 'integer', bigint: 'integer', sum: 'integer' };

export function sessionsAndRollups(kind: Store['kind']): Migration {
  const types = kind === 'postgres' ? OF_POSTGRES : OF_SQLITE;
  const as = (type: Type) => sql<ColumnDataType>`${sql.raw(types[type])}`;
  return {
    async up(db: Kysely<unknown>) {
      await createSessions(db, as);
      await createRollups(db, as, kind !== 'postgres');
      await createGaps(db, as);
    },
  };
}

type As = (type: Type) => ReturnType<typeof sql<ColumnDataType>>;

/** The columns up to `acl_decision` and the first three indices are those that replaced systems have; what follows is Berth's. */
async function createSessions(db: Kysely<unknown>, as: As): Promise<void> {
  await db.schema
    .createTable('sessions')
    .addColumn('session_id', as('text'), (column) => column.notNull())
    .addColumn('user', as('text'), (column) => column.notNull())
    .addColumn('start_time', as('text'), (column) => column.notNull())
    .addColumn('end_time', as('text'))
    .addColumn('duration_secs', as('bigint'))
    .addColumn('source_ip', as('text'), (column) => column.notNull())
    .addColumn('source_port', as('int'), (column) => column.notNull())
    .addColumn('dest_ip', as('text'), (column) => column.notNull())
    .addColumn('dest_port', as('int'), (column) => column.notNull())
    .addColumn('protocol', as('text'), (column) => column.notNull())
    .addColumn('bytes_sent', as('bigint'), (column) => column.notNull())
    .addColumn('bytes_received', as('bigint'), (column) => column.notNull())
    .addColumn('packets_sent', as('bigint'), (column) => column.notNull())
    .addColumn('packets_received', as('bigint'), (column) => column.notNull())
    .addColumn('status', as('text'), (column) => column.notNull())
    .addColumn('close_reason', as('text'))
    .addColumn('acl_rule_matched', as('text'))
    .addColumn('acl_decision', as('text'))
    .addColumn('tenant', as('text'), (column) => column.notNull())
    .addColumn('attempt', as('bigint'), (column) => column.notNull())
    .addColumn('node', as('text'), (column) => column.notNull())
    .addColumn('epoch', as('bigint'))
    .addColumn('state', as('text'), (column) => column.notNull())
    .addColumn('groups', as('text'), (column) => column.notNull())
    .addColumn('priority', as('text'), (column) => column.notNull())
    .addColumn('from_uri', as('text'))
    .addColumn('to_uri', as('text'))
    .addColumn('direction', as('text'))
    .addColumn('correlation_id', as('text'))
    .addColumn('metadata', as('text'))
    .addColumn('note', as('text'), (column) => column.notNull())
    .addColumn('authenticated', as('int'), (column) => column.notNull())
    .addColumn('refusals', as('bigint'), (column) => column.notNull())
    .addColumn('refused_by', as('text'), (column) => column.notNull())
    .addColumn('limits', as('text'))
    .addColumn('event_id', as('text'), (column) => column.notNull())
    .addColumn('version', as('text'))
    .addColumn('facts_version', as('text'))
    .addPrimaryKeyConstraint('sessions_key', ['tenant', 'session_id', 'start_time'] as never[])
    .execute();
  const index = (name: string, columns: string[]) =>
    db.schema.createIndex(name).on('sessions').columns(columns).execute();
  await index('idx_sessions_user', ['user', 'tenant', 'start_time']);
  await index('idx_sessions_start_time', ['start_time', 'tenant']);
  await index('idx_sessions_status', ['status', 'tenant', 'start_time']);
  await index('idx_sessions_dest_ip', ['dest_ip', 'tenant', 'start_time']);
}

async function createRollups(db: Kysely<unknown>, as: As, clustered: boolean): Promise<void> {
  const sums = ['entries', 'sessions', 'ended', 'bytes_sent', 'bytes_received', 'duration_secs', 'refusals'] as const;
  let table = db.schema
    .createTable('rollups')
    .addColumn('tenant', as('text'), (column) => column.notNull())
    .addColumn('scope', as('text'), (column) => column.notNull())
    .addColumn('name', as('text'), (column) => column.notNull())
    .addColumn('span', as('int'), (column) => column.notNull())
    .addColumn('bucket', as('text'), (column) => column.notNull());
  for (const name of sums) table = table.addColumn(name, as('sum'), (column) => column.notNull());
  table = table
    .addColumn('rank', as('sum'))
    .addColumn('peak', as('bigint'), (column) => column.notNull())
    .addColumn('active', as('bigint'))
    .addColumn('active_version', as('text'))
    .addPrimaryKeyConstraint('rollups_key', ['tenant', 'scope', 'name', 'span', 'bucket'] as never[]);
  await (clustered ? table.modifyEnd(sql`without rowid`) : table).execute();
  // The users and destinations of an open hour, of a day, or of all time, the largest first; with their peaks, so that those are found in
  // the index alone.
  await db.schema
    .createIndex('idx_rollups_rank')
    .on('rollups')
    .columns(['span', 'bucket', 'tenant', 'scope', 'rank desc', 'sessions desc', 'peak'])
    .where(sql.ref('rank'), 'is not', null)
    .execute();
}

async function createGaps(db: Kysely<unknown>, as: As): Promise<void> {
  await db.schema
    .createTable('gaps')
    .addColumn('tenant', as('text'), (column) => column.notNull())
    .addColumn('shard', as('int'), (column) => column.notNull())
    .addColumn('event_id', as('text'), (column) => column.notNull())
    .addColumn('from_time', as('text'), (column) => column.notNull())
    .addColumn('to_time', as('text'), (column) => column.notNull())
    .addColumn('entries', as('bigint'), (column) => column.notNull())
    .addPrimaryKeyConstraint('gaps_key', ['tenant', 'shard', 'event_id', 'from_time'] as never[])
    .execute();
}
