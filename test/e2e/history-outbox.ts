import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';
import type { SessionRow } from '#session-history';

import { DEFAULT_TENANT } from './history-check.js';

type OwedRow = Pick<SessionRow, 'user' | 'node' | 'status' | 'close_reason' | 'end_time' | 'refusals'>;

const OPENS = ['session.admitted', 'session.reserved', 'session.adopted'];
const CHANGES = ['session.confirmed', 'session.authenticated', 'session.transferred'];

const FAILED = ['node_lost', 'node_restarted', 'reconciled', 'reservation_expired'];

/**
 * What the outbox holds, read once and in order: the rows that history owes, by id and start. For a load some of whose calls had no answer,
 * while nobody trims.
 */
export async function readOutbox(client: Redis): Promise<Map<string, OwedRow>> {
  const { events, rejections } = shardKeys(DEFAULT_TENANT, 0);
  const rows = new Map<string, OwedRow>();
  const keyOf = (id: string | undefined, ms: string | undefined) => `${id} ${new Date(Number(ms)).toISOString()}`;
  for (const fields of await allOf(client, events)) {
    if (OPENS.includes(fields['type'] ?? '') || CHANGES.includes(fields['type'] ?? '')) {
      const session = JSON.parse(fields['session'] ?? '') as { id: string; user: string | null; node: string | null };
      const key = keyOf(session.id, fields['startedAt'] ?? fields['at']);
      const { user, node } = session;
      rows.set(key, {
        user: user ?? '',
        node: node ?? '',
        status: 'active',
        close_reason: null,
        end_time: null,
        refusals: 0,
      });
    }
    if (fields['type'] !== 'session.ended') continue;
    const { sessionId, user = '', node = '', startedAt, endedAt, reason = '' } = fields;
    const status = FAILED.includes(reason) ? 'failed' : 'closed';
    const end_time = new Date(Number(endedAt)).toISOString();
    rows.set(keyOf(sessionId, startedAt), { user, node, status, close_reason: reason, end_time, refusals: 0 });
  }
  const seen = new Set<string>();
  for (const { id = '', sessionId, at, since, user = '', node = '', limits, count } of await allOf(
    client,
    rejections,
  )) {
    const byLimit = limits !== '[]';
    if (!byLimit && seen.has(id)) continue;
    seen.add(id);
    const status = byLimit ? 'rejected_by_limit' : 'rejected_by_acl';
    const refused = { user, node, status, close_reason: null, end_time: null } as const;
    rows.set(keyOf(sessionId || id, since ?? at), { ...refused, refusals: Number(count ?? 1) });
  }
  return rows;
}

/** Where history has another row than it owes. */
export function unlike(rows: readonly SessionRow[], owed: ReadonlyMap<string, OwedRow>): string[] {
  const left = new Map(owed);
  const wrong: string[] = [];
  for (const row of rows) {
    const key = `${row.session_id} ${row.start_time}`;
    const owedRow = left.get(key);
    left.delete(key);
    const { user, node, status, close_reason, end_time, refusals } = row;
    const is: OwedRow = { user, node, status, close_reason, end_time, refusals };
    if (JSON.stringify(is) !== JSON.stringify(owedRow))
      wrong.push(`${key} is ${JSON.stringify(is)}, expected ${JSON.stringify(owedRow)}`);
  }
  return [...wrong, ...[...left.keys()].map((key) => `${key} is missing`)];
}

async function allOf(client: Redis, stream: string): Promise<Record<string, string>[]> {
  const entries = await client.xrange(stream, '-', '+');
  return entries.map(([, flat]) => {
    const fields: Record<string, string> = {};
    for (let at = 0; at < flat.length; at += 2) fields[flat[at] ?? ''] = flat[at + 1] ?? '';
    return fields;
  });
}
