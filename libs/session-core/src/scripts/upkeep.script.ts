import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('upkeep');

export interface Upkeep {
  /** `raised`: more sessions than the threshold were created within an hour, told once until it is `over`. */
  creationAlert: 'raised' | 'over' | null;
  created: number;
  threshold: number;
}

/** Does what a shard needs once a second besides endings; see `upkeep.lua`. At most `batch` entries of each kind. */
export async function upkeep(context: ShardContext, batch: number): Promise<Upkeep> {
  const reply = new ReplyReader(await script.inShard(context, [batch]));
  const told = reply.text();
  const creationAlert = told === 'raised' || told === 'over' ? told : null;
  return { creationAlert, created: reply.integer(), threshold: reply.integer() };
}
