import type { CompleteSnapshot, SnapshotOutcome, SnapshotPart, SnapshotPhase } from '../model/snapshot.js';
import type { SnapshotRef } from './adopt.script.js';
import { field, integer, ReplyReader, text } from './reply.js';
import { TenantScript, type TenantContext } from './script.js';

const takeScript = new TenantScript('take-part');
const progressScript = new TenantScript('progress-snapshot');
const judgeScript = new TenantScript('judge-snapshot');
const settleScript = new TenantScript('settle-snapshot');

/** What came of a complete list, but for the ids to hang up, which its shards have. */
export type Settled = Omit<CompleteSnapshot, 'kind' | 'hangUp'>;

/** `open`: the shards may take what the part says. `complete`: this caller is to work on the list. `done`: that was done before. */
export type TakenPart =
  { kind: 'open' | 'complete' } | ({ kind: 'done' } & Settled) | Exclude<SnapshotOutcome, CompleteSnapshot>;

/** A part has come. `taken`: the shards have taken what it says; before that, whether they may. */
export async function takePart(
  context: TenantContext,
  { node, epoch, mark, part, parts, sessions, none }: SnapshotPart,
  { taken, worker }: { taken: boolean; worker: number },
): Promise<TakenPart> {
  const said = [node, epoch, mark, part, parts, sessions.length, none === true ? 1 : 0];
  const reply = new ReplyReader(await takeScript.inTenant(context, [...said, worker, taken ? 1 : 0]));
  const kind = reply.text();
  switch (kind) {
    case 'open':
    case 'complete':
    case 'part':
    case 'empty':
    case 'stale-mark':
      return { kind };
    case 'stale-epoch':
      return { kind, currentEpoch: reply.done() ? null : reply.integer() };
    case 'done': {
      const [adopted, restored, dropped, elsewhere] = [
        reply.integer(),
        reply.integer(),
        reply.integer(),
        reply.integer(),
      ];
      return { kind, adopted, restored, dropped, elsewhere, suspended: reply.text() || null };
    }
    default:
      return reply.fail();
  }
}

/** Says how far the work has come. Returns false if there is a newer list, or another caller works on this one. */
export async function reportProgress(
  context: TenantContext,
  { node, epoch, mark }: SnapshotRef,
  { worker, phase, done, of }: { worker: number; phase: SnapshotPhase; done: number; of: number },
): Promise<boolean> {
  return integer(await progressScript.inTenant(context, [node, epoch, mark, worker, phase, done, of])) === 1;
}

/** What a complete list would do. */
export interface Verdict {
  wouldEnd: number;
  held: number;
  wouldHangUp: number;
  listed: number;
}

/** `suspended`: the fuse has tripped; `tell` where the outbox has to be told. `gone`: a newer list or run has come, or another caller has taken over. */
export type Judgement = { kind: 'go' | 'gone' } | { kind: 'suspended'; tell: boolean; sinceMs: number };

export async function judgeSnapshot(
  context: TenantContext,
  { node, epoch, mark }: SnapshotRef,
  { wouldEnd, held, wouldHangUp, listed }: Verdict,
  { fuseShare, fuseSessions, worker }: { fuseShare: number; fuseSessions: number; worker: number },
): Promise<Judgement> {
  const args = [node, epoch, mark, wouldEnd, held, wouldHangUp, listed, fuseShare, fuseSessions, worker];
  const reply = await judgeScript.inTenant(context, args);
  const kind = text(field(reply, 0));
  if (kind === 'go' || kind === 'gone') return { kind };
  return { kind: 'suspended', tell: text(field(reply, 1)) === '1', sinceMs: integer(field(reply, 2)) };
}

/** The work is done. Returns false if a newer list or run has come. */
export async function settleSnapshot(
  context: TenantContext,
  { node, epoch, mark }: SnapshotRef,
  { adopted, restored, dropped, elsewhere, suspended }: Settled,
): Promise<boolean> {
  const args = [node, epoch, mark, adopted, restored, dropped, elsewhere, suspended ?? ''];
  return integer(await settleScript.inTenant(context, args)) === 1;
}
