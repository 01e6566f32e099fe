import type { LeftRun, NodeRun } from './node-run.script.js';
import { field, integer, ReplyReader, text } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const openScript = new TenantScript('open-tenant');
const watchScript = new TenantScript('watch-nodes');
const settleScript = new TenantScript('settle-node');
const silenceScript = new TenantScript('silence');
const eraseScript = new TenantScript('erase-node');
const leaveScript = new TenantScript('leave-node');

/** A gateway says that beats could arrive. Returns for how long none could, milliseconds; 0 if that was no outage. */
export async function openTenant(
  context: TenantContext,
  { graceMs, staleAfterMs }: { graceMs: number; staleAfterMs: number },
): Promise<number> {
  return integer(await openScript.inTenant(context, [Math.round(graceMs), Math.round(staleAfterMs)]));
}

/** A run of a node, by its epoch. */
export type NodeEpoch = Pick<NodeRun, 'node' | 'epoch'>;

export interface WatchOptions {
  leaseMs: number;
  staleAfterMs: number;
  silentAfterMs: number;
  fuseNodes: number;
  inboxBehindMs: number;
  forgetAfterMs: number;
  /** The same for a node that held nothing when it was lost. */
  forgetIdleAfterMs: number;
  /** The nodes that hold sessions; null if that was not asked, because none is silent. */
  holders: string[] | null;
}

export interface Watch {
  /** Whether the fuse on nodes has tripped, and how many of the nodes that hold sessions are live and silent. */
  fuse: 'whole' | 'tripped' | 'just-tripped';
  live: number;
  silent: number;
  /** Milliseconds of the Redis clock. */
  nowMs: number;
  /** Lost runs that not every shard knows of. */
  losing: NodeRun[];
  /** Runs that were lost, or left, so long ago that they may be forgotten. */
  forget: NodeEpoch[];
  /** Runs that have left, of which not every shard knows. */
  leaving: LeftRun[];
}

const FUSE_STATES = ['whole', 'tripped', 'just-tripped'] as const;

/** The nodes that beat, where it has to be known which of them hold sessions before any is judged; else null. */
export async function silence(context: TenantContext, silentAfterMs: number): Promise<string[] | null> {
  const reply = new ReplyReader(await silenceScript.inTenant(context, [silentAfterMs]));
  return reply.text() === '1' ? reply.list().map(text) : null;
}

/** Forgets all that the tenant knows of a node. Returns whether anything was. */
export async function eraseNode(context: TenantContext, node: string): Promise<boolean> {
  return integer(await eraseScript.inTenant(context, [node])) === 1;
}

/** `leaving`: the shards have to learn of it. `future`: it would be a run ahead of the clock. */
export type LeaveReply =
  { kind: 'leaving'; beaten: boolean } | { kind: 'stale'; currentEpoch: number } | { kind: 'future'; nowMs: number };

/** A node leaves for good. `known`: a shard has the run on its books, so that it is not judged by the clock. */
export async function leaveNode(
  context: TenantContext,
  { node, epoch }: NodeEpoch,
  known: boolean,
): Promise<LeaveReply> {
  const reply = new ReplyReader(await leaveScript.inTenant(context, [node, epoch, known ? 1 : 0]));
  switch (reply.text()) {
    case 'leaving':
      return { kind: 'leaving', beaten: reply.text() === '1' };
    case 'stale':
      return { kind: 'stale', currentEpoch: reply.integer() };
    case 'future':
      return { kind: 'future', nowMs: reply.integer() };
    default:
      return reply.fail();
  }
}

/** Finds nodes that have not beaten for a lease although they could have, and marks them as lost. */
export async function watchNodes(context: TenantContext, options: WatchOptions): Promise<Watch> {
  const { leaseMs, staleAfterMs, silentAfterMs, fuseNodes, inboxBehindMs, forgetAfterMs, forgetIdleAfterMs } = options;
  const times = [leaseMs, staleAfterMs, silentAfterMs, fuseNodes, inboxBehindMs, forgetAfterMs, forgetIdleAfterMs];
  const args = [...times, options.holders === null ? 0 : 1, ...(options.holders ?? [])];
  const reply = await watchScript.inTenant(context, args);
  const state = new ReplyReader(field(reply, 0));
  return {
    fuse: FUSE_STATES[state.integer()] ?? 'whole',
    live: state.integer(),
    silent: state.integer(),
    nowMs: state.integer(),
    losing: new ReplyReader(field(reply, 1)).rest().map((run) => ({ ...readRun(run), change: integer(field(run, 2)) })),
    forget: new ReplyReader(field(reply, 2)).rest().map(readRun),
    leaving: new ReplyReader(field(reply, 3))
      .rest()
      .map((run) => ({ ...readRun(run), beaten: text(field(run, 2)) === '1' })),
  };
}

/** Every shard knows that this run is lost. */
export async function settleLoss(context: TenantContext, { node, epoch, change }: NodeRun): Promise<void> {
  await settleScript.inTenant(context, [node, epoch, change, '']);
}

/** A shard knows a later change of this run than its loss: the loss takes a larger number, and the shards are told again. */
export async function renumberLoss(
  context: TenantContext,
  { node, epoch, change }: NodeRun,
  next: number,
): Promise<void> {
  await settleScript.inTenant(context, [node, epoch, change, next]);
}

/** Every shard knows that this run has left. Returns false where the node has been forgotten, or has begun anew, meanwhile. */
export async function settleLeft(context: TenantContext, { node, epoch }: NodeEpoch): Promise<boolean> {
  return integer(await settleScript.inTenant(context, [node, epoch, 'left', ''])) === 1;
}

/** Every shard has forgotten this run. */
export async function settleForgotten(context: TenantContext, { node, epoch }: NodeEpoch): Promise<void> {
  await settleScript.inTenant(context, [node, epoch, '', '']);
}

function readRun(run: unknown): NodeEpoch {
  return { node: text(field(run, 0)), epoch: integer(field(run, 1)) };
}
