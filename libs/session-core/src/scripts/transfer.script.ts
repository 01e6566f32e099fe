import { handoverArguments, readHandover, type Handover, type HandoverReply } from './handover.js';
import type { SessionRef } from '../model/session.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('transfer');

export interface Transfer extends SessionRef {
  attempt?: number | undefined;
  /** A user of another shard needs `offer`. */
  to: Handover;
  tombstoneMs: number;
  /** Names this transfer in its event. */
  token: number;
}

/** Hands a live session over within its shard, in one step. Repeatable; the old id of one with a new id has ended then. */
export async function transfer(context: ShardContext, request: Transfer): Promise<HandoverReply> {
  const { sessionId, user = '', attempt, to, tombstoneMs, token } = request;
  const args = [sessionId, attempt ?? '', ...handoverArguments(to), tombstoneMs, token, user];
  const reply = new ReplyReader(await script.inShard(context, args));
  return readHandover(reply.text(), reply, context.tenant, { id: sessionId, newId: to.newId, user: to.user });
}
