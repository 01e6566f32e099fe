import type { SessionOutcome } from '../model/decision.js';
import type { SessionRef } from '../model/session.js';
import { readOutcome } from './outcome.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('get');

/** Reads a session: live as the books have it, ended while its tombstone lasts. */
export async function get(context: ShardContext, { sessionId, user = '' }: SessionRef): Promise<SessionOutcome> {
  return readOutcome(await script.inShard(context, [sessionId, user]), context.tenant, sessionId);
}
