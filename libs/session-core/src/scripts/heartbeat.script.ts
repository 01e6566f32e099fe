import type { Beat, BeatPath, Heartbeat } from '../model/node.js';
import { ReplyReader } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const script = new TenantScript('heartbeat');
const wantScript = new TenantScript('want-snapshot');
const contestScript = new TenantScript('contest-node');

/** A beat, or a run that has begun otherwise: that came by no path of its own (`via` null). */
export interface SaidRun extends Omit<Heartbeat, 'via'> {
  via: BeatPath | null;
  /** A shard has it on its books, so that it is not judged by the clock. */
  begun?: boolean;
}

/**
 * `enter`: the shards have to learn of this change of the node's run before the beat counts. `future`: it would begin a run ahead of the
 * clock. `warn`: once a minute for each node.
 */
export type BeatReply =
  | Extract<Beat, { kind: 'late' }>
  | (Extract<Beat, { kind: 'beat' }> & { change: number })
  | { kind: 'enter'; change: number }
  | { kind: 'stale'; currentEpoch: number; warn: boolean }
  | { kind: 'future'; nowMs: number };

export async function heartbeat(
  context: TenantContext,
  { node, epoch, activeSessions, via, atMs, begun = false }: SaidRun,
  { entered, snapshotIntervalMs }: { entered: number | null; snapshotIntervalMs: number },
): Promise<BeatReply> {
  const said = [node, epoch, activeSessions ?? '', via ?? ''];
  const args = [...said, entered ?? '', snapshotIntervalMs, atMs ?? '', begun ? 1 : 0];
  const reply = new ReplyReader(await script.inTenant(context, args));
  switch (reply.text()) {
    case 'beat':
      return { kind: 'beat', mark: reply.integer(), snapshotWanted: reply.text() === '1', change: reply.integer() };
    case 'enter':
      return { kind: 'enter', change: reply.integer() };
    case 'late':
      return { kind: 'late' };
    case 'stale':
      return { kind: 'stale', currentEpoch: reply.integer(), warn: reply.text() === '1' };
    case 'future':
      return { kind: 'future', nowMs: reply.integer() };
    default:
      return reply.fail();
  }
}

/** The next beat of the node asks for a snapshot. */
export async function wantSnapshot(context: TenantContext, node: string): Promise<void> {
  await wantScript.inTenant(context, [node]);
}

/** A run was refused by a call that is no beat. Returns the newer one that it contests the name with, null if none is known. */
export async function contestNode(
  context: TenantContext,
  node: string,
  epoch: number,
): Promise<{ currentEpoch: number; warn: boolean } | null> {
  const reply = new ReplyReader(await contestScript.inTenant(context, [node, epoch]));
  return reply.done() ? null : { currentEpoch: reply.integer(), warn: reply.text() === '1' };
}
