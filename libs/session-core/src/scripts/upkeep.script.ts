import { readDue } from '../model/record.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('upkeep');

export interface Upkeep {
  /** `raised`: more sessions than the threshold were created within an hour, answered once until it is `over`. */
  creationAlert: 'raised' | 'over' | null;
  created: number;
  threshold: number;
  /** When the next session of the shard is due, ms of the Redis clock; null if none ever is. */
  nextDueMs: number | null;
  nowMs: number;
}

/** Does what a shard needs once a second besides endings; see `upkeep.lua`. At most `batch` entries of each kind. */
export async function upkeep(context: ShardContext, batch: number): Promise<Upkeep> {
  const reply = new ReplyReader(await script.inShard(context, [batch]));
  const alert = reply.text();
  const creationAlert = alert === 'raised' || alert === 'over' ? alert : null;
  const [created, threshold] = [reply.integer(), reply.integer()];
  return { creationAlert, created, threshold, nextDueMs: readDue(reply.text()), nowMs: reply.integer() };
}
