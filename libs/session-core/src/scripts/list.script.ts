import { readSession } from '../model/record.js';
import type { Session } from '../model/session.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('list');

/** So many records in one call: each takes about 8 us of Redis, more with much metadata. */
const PER_CALL = 100;

/** Reads the sessions with these ids that are live still, in the order given. */
export async function list(context: ShardContext, sessionIds: string[]): Promise<Session[]> {
  const sessions: Session[] = [];
  for (let from = 0; from < sessionIds.length; from += PER_CALL) {
    const reply = await script.inShard(context, sessionIds.slice(from, from + PER_CALL));
    sessions.push(...new ReplyReader(reply).rest().map((entry) => readEntry(context.tenant, entry)));
  }
  return sessions;
}

function readEntry(tenant: string, entry: unknown): Session {
  const reader = new ReplyReader(entry);
  const id = reader.text();
  const packed = reader.bytes();
  return readSession(tenant, id, packed, { due: reader.text(), lastActivity: reader.text(), traffic: reader.bytes() });
}
