import { readEnded } from '../model/record.js';
import type { EndedSession } from '../model/session.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('drain-run');

export interface Drain {
  ended: EndedSession[];
  /** Departed runs whose sessions are still to be ended. */
  runsLeft: number;
}

/** Ends what departed runs of nodes held, at most `batch` sessions. Any number at once: each session ends once. */
export async function drainRun(context: ShardContext, batch: number, tombstoneMs: number): Promise<Drain> {
  const reply = new ReplyReader(await script.inShard(context, [batch, tombstoneMs]));
  const runsLeft = reply.integer();
  const ended = reply.rest().map((entry) => {
    const packed = new ReplyReader(entry);
    return readEnded(context.tenant, packed.text(), packed.bytes());
  });
  return { ended, runsLeft };
}
