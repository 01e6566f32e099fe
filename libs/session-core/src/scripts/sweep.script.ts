import { readDue, readEnded } from '../model/record.js';
import type { EndedSession } from '../model/session.js';
import { field, ReplyReader, text } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('sweep');

export interface Sweep {
  /** Milliseconds of the Redis clock. */
  nowMs: number;
  /** When the next session of the shard is due, null if none ever is; at or before `nowMs` when the batch was full. */
  nextDueMs: number | null;
  ended: { session: EndedSession; latenessMs: number }[];
}

/** Ends what is due in a shard, at most `batch` sessions. Any number of sweepers at once: each session ends once. */
export async function sweep(context: ShardContext, batch: number): Promise<Sweep> {
  const reply = new ReplyReader(await script.inShard(context, [batch]));
  const nextDueMs = readDue(reply.text());
  const nowMs = reply.integer();
  const ended = reply.rest().map((entry) => {
    const packed = new ReplyReader(entry);
    const id = packed.text();
    const latenessMs = nowMs - Number(text(field(entry, 1)));
    packed.text();
    return { session: readEnded(context.tenant, id, packed.bytes()), latenessMs };
  });
  return { nowMs, nextDueMs, ended };
}
