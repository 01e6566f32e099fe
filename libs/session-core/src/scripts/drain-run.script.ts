import type { EndedSession } from '../model/session.js';
import { endedIn } from './ended-entries.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('drain-run');

export interface Drain {
  /** Decoded as they are read, once. */
  ended: Iterable<EndedSession>;
  /** Departed runs whose sessions are still to be ended. */
  runsLeft: number;
}

/** Ends what departed runs of nodes held, at most `batch` sessions. Any number at once: each session ends once. */
export async function drainRun(context: ShardContext, batch: number, tombstoneMs: number): Promise<Drain> {
  const reply = new ReplyReader(await script.inShard(context, [batch, tombstoneMs]));
  return { runsLeft: reply.integer(), ended: endedIn(context.tenant, reply.rest()) };
}
