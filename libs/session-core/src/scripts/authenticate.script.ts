import { readHandover, type HandoverReply } from './handover.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('authenticate');

export interface Authentication {
  sessionId: string;
  /** The user that the caller takes it to have, where it names one. */
  named?: string | undefined;
  attempt?: number | undefined;
  /** In canonical form; its shard is the session's. */
  user: string;
  tombstoneMs: number;
}

/** A session that was admitted without a user takes one, if that user has room. Repeatable. */
export async function authenticate(context: ShardContext, request: Authentication): Promise<HandoverReply> {
  const { sessionId, named = '', attempt, user, tombstoneMs } = request;
  const reply = new ReplyReader(await script.inShard(context, [sessionId, attempt ?? '', user, tombstoneMs, named]));
  return readHandover(reply.text(), reply, context.tenant, { id: sessionId, user });
}
