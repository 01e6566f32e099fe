import type { EndedSession } from '../model/session.js';
import { endedIn } from './ended-entries.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('trim');

/** One limit that sessions may be above of. */
export interface TrimmedLimit {
  scope: 'user' | 'group' | 'total';
  /** User or group; empty for the total. */
  name: string;
}

export interface Trim {
  ended: EndedSession[];
  /** Sessions that are above the limit still. */
  over: number;
}

/** Ends sessions of these that are above the limit, in this order, until it holds; never emergency sessions. `by` is who lowered the limit. */
export async function trim(
  context: ShardContext,
  { scope, name }: TrimmedLimit,
  ids: readonly string[],
  by: string,
): Promise<Trim> {
  const reply = new ReplyReader(await script.inShard(context, [scope, name, by, ...ids]));
  const over = reply.integer();
  return { ended: [...endedIn(context.tenant, reply.rest())], over };
}
