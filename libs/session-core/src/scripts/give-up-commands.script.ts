import { integer } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('give-up-commands');

/**
 * Gives up those of these commands of a node that are `ageMs` old or older, and those that nobody can read; returns how many. A
 * node that has none left is no longer listed.
 */
export async function giveUpCommands(
  context: ShardContext,
  node: string,
  ageMs: number,
  sessionIds: readonly string[],
): Promise<number> {
  return integer(await script.inShard(context, [node, ageMs, ...sessionIds]));
}
