import { readDue, readWholeSession } from '../model/record.js';
import type { Session, UnreadableSession } from '../model/session.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('list');

/** So many records in one call: each takes about 8 us of Redis, more with much metadata. */
export const LISTED_PER_CALL = 100;

export interface Listed {
  sessions: Session[];
  unreadable: UnreadableSession[];
}

/** Reads the sessions with these ids, at most `LISTED_PER_CALL`, that are live still, in the order given; apart those whose record cannot be decoded. */
export async function list(context: ShardContext, sessionIds: readonly string[]): Promise<Listed> {
  const listed: Listed = { sessions: [], unreadable: [] };
  if (sessionIds.length === 0) return listed;
  const reply = new ReplyReader(await script.inShard(context, [...sessionIds]));
  for (const entry of reply.rest()) addEntry(listed, context.tenant, entry);
  return listed;
}

function addEntry({ sessions, unreadable }: Listed, tenant: string, entry: unknown): void {
  const reader = new ReplyReader(entry);
  const id = reader.text();
  const packed = reader.bytes();
  if (reader.done()) {
    unreadable.push({ id, tenant, user: null, expiresAtMs: readDue(packed.toString()) });
    return;
  }
  const parts = { due: reader.text(), lastActivity: reader.text(), traffic: reader.bytes() };
  const session = readWholeSession(tenant, id, packed, parts);
  if (session === null) unreadable.push({ id, tenant, user: null, expiresAtMs: readDue(parts.due) });
  else sessions.push(session);
}
