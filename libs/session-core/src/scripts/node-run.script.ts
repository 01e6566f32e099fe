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

/** What a shard has in force after it was told: `kept`: this change or a later one, or a newer run, was in force. */
export interface RunInForce {
  kind: 'entered' | 'lost' | 'kept' | 'stale';
  epoch: number;
  change: number;
  lost: boolean;
}

/** Puts a run of a node into force in a shard: what an older run of it held is over. `tell`: this shard tells the outbox. */
export async function enterNode(context: ShardContext, run: NodeRun, tell: boolean): Promise<RunInForce> {
  return readRun(await enterScript.inShard(context, runArguments(run, tell)));
}

/** From now on nothing is admitted for this run in the shard, and what it held ends. `tell`: this shard tells the outbox. */
export async function loseNode(context: ShardContext, run: NodeRun, tell: boolean): Promise<RunInForce> {
  return readRun(await loseScript.inShard(context, runArguments(run, tell)));
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

const WORDS = ['entered', 'lost', 'kept', 'stale'] as const;

function readRun(answer: unknown): RunInForce {
  const reply = new ReplyReader(answer);
  const word = reply.text();
  const kind = WORDS.find((known) => known === word) ?? reply.fail();
  return { kind, epoch: reply.integer(), change: reply.integer(), lost: reply.text() === '1' };
}
