import type { FoundSession } from '../model/decision.js';
import { readDue, readWholeSession } from '../model/record.js';
import type { SessionRef } from '../model/session.js';
import { readOutcome } from './outcome.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('get');

/** Reads a session: live as the books have it, ended while its tombstone lasts. */
export async function get(context: ShardContext, { sessionId, user = '' }: SessionRef): Promise<FoundSession> {
  const { tenant } = context;
  const reply = await script.inShard(context, [sessionId, user]);
  const reader = new ReplyReader(reply);
  const kind = reader.text();
  const unreadable = (due: string): FoundSession => ({
    kind: 'unreadable',
    session: { id: sessionId, tenant, user: user || null, expiresAtMs: readDue(due) },
  });
  if (kind === 'unreadable') return unreadable(reader.text());
  if (kind !== 'live') return readOutcome(reply, tenant, sessionId);
  const packed = reader.bytes();
  const parts = { due: reader.text(), lastActivity: reader.text(), traffic: reader.bytes() };
  const session = readWholeSession(tenant, sessionId, packed, parts);
  return session === null ? unreadable(parts.due) : { kind, session };
}
