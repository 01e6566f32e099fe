import { integer } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('probe');

/** Finds out whether a shard could take an admission; rejects where it could not. Returns the time of its Redis, milliseconds. */
export async function probe(context: ShardContext): Promise<number> {
  return integer(await script.inShard(context, []));
}
