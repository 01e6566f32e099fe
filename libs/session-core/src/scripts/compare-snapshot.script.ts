import type { SnapshotRef } from './adopt.script.js';
import { ReplyReader, text } from './reply.js';
import { ShardScript, type ScriptArgument, type ShardContext } from './script.js';
import { withDeadline } from '../store-call.js';

const compareScript = new ShardScript('compare-snapshot');
const countScript = new ShardScript('count-missing');
const dropScript = new ShardScript('drop-missing');
const hangUpScript = new ShardScript('settle-hang-ups');

/** Work in many calls: each has the deadline, in milliseconds. */
export type BatchContext = ShardContext & { deadlineMs: number };

/** So many sessions in one call: 0.4 ms of Redis where each of them has to be looked at. */
const COMPARED = 100;
/** An ending with its event and command takes about 27 us. */
const DROPPED = 25;

/** Thrown where what the list had is no longer in the shard: what it lacks cannot be known. */
export class ListGone extends Error {}

/** So many sessions are done, of so many. */
export interface Step {
  done: number;
  of: number;
}

/** Compares what a node holds in a shard, by its run or unwatched, with its complete list, a batch for each step. */
export async function* compareSnapshot(context: BatchContext, list: SnapshotRef): AsyncGenerator<Step> {
  let done = 0;
  for (const unwatched of [0, 1]) {
    let cursor = '0';
    do {
      const reply = await runOnList(compareScript, context, list, [cursor, COMPARED, unwatched]);
      cursor = reply.text();
      done += reply.integer();
      yield { done, of: reply.integer() };
    } while (cursor !== '0');
  }
}

/** What a list would do in a shard, and has done. */
export interface ShardCount {
  wouldEnd: number;
  held: number;
  wouldHangUp: number;
  listed: number;
  adopted: number;
  restored: number;
  elsewhere: number;
}

/** Counts in a shard after it has been compared, when what is missing no longer has been forgotten. */
export async function countMissing(context: BatchContext, list: SnapshotRef): Promise<ShardCount> {
  for (let from = '0'; ;) {
    const reply = await runOnList(countScript, context, list, [from, COMPARED]);
    from = reply.text();
    if (from !== '') continue;
    const [wouldEnd, held, wouldHangUp] = [reply.integer(), reply.integer(), reply.integer()];
    const [listed, adopted, restored, elsewhere] = [reply.integer(), reply.integer(), reply.integer(), reply.integer()];
    return { wouldEnd, held, wouldHangUp, listed, adopted, restored, elsewhere };
  }
}

/** Ends what was missing twice, a batch for each step. What this list had ended before a crash counts as done. */
export async function* dropMissing(context: BatchContext, list: SnapshotRef): AsyncGenerator<Step> {
  for (let left = 1; left > 0;) {
    const reply = await runOnList(dropScript, context, list, [DROPPED]);
    left = reply.integer();
    const done = reply.integer();
    yield { done, of: done + left };
  }
}

/** Makes the endings final of what the node lists and has no place for; returns the ids that it has to hang up. */
export async function settleHangUps(context: BatchContext, list: SnapshotRef): Promise<string[]> {
  const ids = new Set<string>();
  let cursor = '0';
  do {
    const reply = await run(hangUpScript, context, list, [cursor, COMPARED]);
    cursor = reply.text();
    for (const id of reply.rest()) ids.add(text(id));
  } while (cursor !== '0');
  return [...ids];
}

async function run(
  script: ShardScript,
  context: BatchContext,
  { node, epoch, mark }: SnapshotRef,
  args: ScriptArgument[],
) {
  const called = async () => await script.inShard(context, [node, epoch, mark, ...args]);
  return new ReplyReader(await withDeadline(context.deadlineMs, called));
}

/** Runs a verb that needs the list. */
async function runOnList(...call: Parameters<typeof run>): Promise<ReplyReader> {
  const reply = await run(...call);
  if (reply.text() === 'gone') throw new ListGone();
  return reply;
}
