import type { SessionOutcome } from '../model/decision.js';
import type { SessionRef } from '../model/session.js';
import { readOutcome } from './outcome.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('confirm');

/** A reserved session was answered and becomes active. Confirming an active one changes nothing and answers the same. */
export async function confirm(
  context: ShardContext,
  { sessionId, user = '' }: SessionRef,
  attempt?: number,
): Promise<SessionOutcome> {
  return readOutcome(await script.inShard(context, [sessionId, attempt ?? '', user]), context.tenant, sessionId);
}
