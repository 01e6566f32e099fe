import { ReplyReader, text } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const enterScript = new ShardScript('enter-node');
const loseScript = new ShardScript('lose-node');
const forgetScript = new ShardScript('forget-node');

/** A node from one start to the next. Changes of a run (lost, returned) are numbered, so that a late one is without effect. */
export interface NodeRun {
  node: string;
  epoch: number;
  change: number;
}

/** `kept`: this change or a later one was in force. `stale`: the node has a newer run. */
export type Entered = { kind: 'entered' | 'kept' | 'stale'; epochInForce: number };

/** Puts a run of a node into force in a shard: what an older run of it held is over. `tell`: this shard tells the outbox. */
export async function enterNode(context: ShardContext, run: NodeRun, tell: boolean): Promise<Entered> {
  const reply = new ReplyReader(await enterScript.inShard(context, runArguments(run, tell)));
  const kind = reply.text();
  if (kind !== 'entered' && kind !== 'kept' && kind !== 'stale') return reply.fail();
  return { kind, epochInForce: reply.integer() };
}

/** From now on nothing is admitted for this run in the shard, and what it held ends. `tell`: this shard tells the outbox. */
export async function loseNode(context: ShardContext, run: NodeRun, tell: boolean): Promise<'lost' | 'kept'> {
  return text(await loseScript.inShard(context, runArguments(run, tell))) === 'lost' ? 'lost' : 'kept';
}

/** Forgets a run that was lost, with its commands, once all that it held has ended. */
export async function forgetNode(
  context: ShardContext,
  { node, epoch }: Pick<NodeRun, 'node' | 'epoch'>,
): Promise<'forgotten' | 'kept'> {
  return text(await forgetScript.inShard(context, [node, epoch])) === 'forgotten' ? 'forgotten' : 'kept';
}

function runArguments({ node, epoch, change }: NodeRun, tell: boolean) {
  return [node, epoch, change, tell ? 1 : 0];
}
