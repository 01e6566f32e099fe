import { field, integer, ReplyReader, text } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const enterScript = new ShardScript('enter-node');
const loseScript = new ShardScript('lose-node');
const forgetScript = new ShardScript('forget-node');
const tookScript = new ShardScript('took-run');
const noteScript = new ShardScript('note-runs');
const heldScript = new ShardScript('held-by');
const expelScript = new ShardScript('expel-node');
const closeScript = new ShardScript('close-run');

/** A node from one start to the next. Changes of a run (lost, returned) are numbered, so that a late one is without effect. */
export interface NodeRun {
  node: string;
  epoch: number;
  change: number;
}

/** What a shard has in force after it was told: `kept`: this change or a later one, or a newer run, was in force. `over`: null while it goes on. */
export interface RunInForce {
  kind: 'entered' | 'lost' | 'kept' | 'stale';
  epoch: number;
  change: number;
  over: 'lost' | 'left' | null;
}

/** Puts a run of a node into force in a shard: what an older run of it held is over. `tell`: this shard tells the outbox. */
export async function enterNode(context: ShardContext, run: NodeRun, tell: boolean): Promise<RunInForce> {
  return readRun(await enterScript.inShard(context, runArguments(run, tell)));
}

/** From now on nothing is admitted for this run in the shard, and what it held ends. `tell`: this shard tells the outbox. */
export async function loseNode(context: ShardContext, run: NodeRun, tell: boolean): Promise<RunInForce> {
  return readRun(await loseScript.inShard(context, runArguments(run, tell)));
}

/** Forgets a run that was lost or has left, once all that it held has ended and been hung up. */
export async function forgetNode(
  context: ShardContext,
  { node, epoch }: Pick<NodeRun, 'node' | 'epoch'>,
): Promise<'forgotten' | 'kept'> {
  return text(await forgetScript.inShard(context, [node, epoch])) === 'forgotten' ? 'forgotten' : 'kept';
}

/** What a shard had of a node that it was to forget: whether anything, and how many sessions, which are over. */
export interface Expelled {
  known: boolean;
  sessions: number;
}

/** Forgets a node in a shard, whatever it does; what it held is over, and is left to `drainRun`. */
export async function expelNode(
  context: ShardContext,
  node: string,
  by: string,
): Promise<Expelled & { more: boolean }> {
  const reply = new ReplyReader(await expelScript.inShard(context, [node, by]));
  return { known: reply.integer() === 1, sessions: reply.integer(), more: reply.integer() === 1 };
}

/** The run with which a node has left; `beaten`: its name is watched, so that what is late of it would be too. */
export interface LeftRun extends Pick<NodeRun, 'node' | 'epoch'> {
  beaten: boolean;
}

/**
 * The node has left with this run: it is over for good in a shard, and what it held is left to `drainRun`. Returns true if it may hold
 * more: ask again.
 */
export async function closeRun(context: ShardContext, { node, epoch, beaten }: LeftRun): Promise<boolean> {
  return integer(await closeScript.inShard(context, [node, epoch, beaten ? 1 : 0])) === 1;
}

/** A run that began in a shard by something else than a beat: `read` is what the shard has of it. */
export interface BegunRun {
  node: string;
  epoch: number;
  atMs: number;
  read: string;
}

/** Reads a run from the shard's hash of those that have begun. */
export function readBegun(node: string, read: string): BegunRun {
  const [epoch, atMs] = read.split(' ').map(Number);
  return { node, epoch: epoch ?? 0, atMs: atMs ?? 0, read };
}

/** The tenant knows this run: it is watched. */
export async function tookRun(context: ShardContext, { node, read }: BegunRun): Promise<void> {
  await tookScript.inShard(context, [node, read]);
}

/** Looks at a batch of sessions of books that another release has written, for their runs. Returns true when all are done. */
export async function noteRuns(context: ShardContext, batch: number): Promise<boolean> {
  return integer(await noteScript.inShard(context, [batch])) === 1;
}

/** Sessions of a node: `watched` end when it is lost, the others do not. */
export interface Held {
  watched: number;
  unwatched: number;
}

/** How many sessions each of these nodes holds in a shard; at most a hundred nodes at once. */
export async function heldBy(context: ShardContext, nodes: string[]): Promise<Held[]> {
  const reply = new ReplyReader(await heldScript.inShard(context, nodes));
  return reply.rest().map((held) => ({ watched: integer(field(held, 0)), unwatched: integer(field(held, 1)) }));
}

function runArguments({ node, epoch, change }: NodeRun, tell: boolean) {
  return [node, epoch, change, tell ? 1 : 0];
}

const WORDS = ['entered', 'lost', 'kept', 'stale'] as const;

function readRun(answer: unknown): RunInForce {
  const reply = new ReplyReader(answer);
  const word = reply.text();
  const kind = WORDS.find((known) => known === word) ?? reply.fail();
  const [epoch, change, over] = [reply.integer(), reply.integer(), reply.text()];
  return { kind, epoch, change, over: over === 'lost' || over === 'left' ? over : null };
}
