import { readSession } from '../model/record.js';
import type { Session } from '../model/session.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('list');

/** So many records in one call: each takes about 8 us of Redis, more with much metadata. */
export const LISTED_PER_CALL = 100;

/** Reads the sessions with these ids, at most `LISTED_PER_CALL`, that are live still, in the order given. */
export async function list(context: ShardContext, sessionIds: readonly string[]): Promise<Session[]> {
  if (sessionIds.length === 0) return [];
  const reply = new ReplyReader(await script.inShard(context, [...sessionIds]));
  return reply.rest().map((entry) => readEntry(context.tenant, entry));
}

function readEntry(tenant: string, entry: unknown): Session {
  const reader = new ReplyReader(entry);
  const id = reader.text();
  const packed = reader.bytes();
  return readSession(tenant, id, packed, { due: reader.text(), lastActivity: reader.text(), traffic: reader.bytes() });
}
