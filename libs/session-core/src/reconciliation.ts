import type { CompleteSnapshot, SnapshotPhase } from './model/snapshot.js';
import type { SnapshotRef } from './scripts/adopt.script.js';
import {
  compareSnapshot,
  countMissing,
  dropMissing,
  ListGone,
  settleHangUps,
  type BatchContext,
  type ShardCount,
  type Step,
} from './scripts/compare-snapshot.script.js';
import { keysOf, type TenantContext } from './scripts/script.js';
import { judgeSnapshot, reportProgress, settleSnapshot } from './scripts/take-part.script.js';
import { tellFuse } from './scripts/tell-fuse.script.js';
import { withDeadline } from './store-call.js';

/** How far the work on a complete list has come: sessions looked at or ended, of how many. */
export interface ReconciliationProgress extends Step {
  tenant: string;
  node: string;
  phase: SnapshotPhase;
}

/** A complete list, and who works on it, where. */
export interface Reconciliation {
  list: SnapshotRef;
  worker: number;
  context: TenantContext;
  shards: BatchContext[];
  deadlineMs: number;
  fuse: { fuseShare: number; fuseSessions: number };
  onProgress?: ((progress: ReconciliationProgress) => void) | undefined;
}

/** The hash of the list says how far the work is after so many steps; when it has not for 5 s, another caller may take over. */
const STEPS_PER_REPORT = 20;

/**
 * Compares the books with a complete list, counts, asks the fuse, and only then ends anything. Each step can be repeated, so a crash
 * between any two costs nothing but the list's being sent again. Null where a newer list, or another caller, has taken over.
 */
export async function reconcile(work: Reconciliation): Promise<CompleteSnapshot | null> {
  try {
    return await reconcileInSteps(work);
  } catch (error) {
    if (error instanceof ListGone) return null;
    throw error;
  }
}

async function reconcileInSteps(work: Reconciliation): Promise<CompleteSnapshot | null> {
  const { list, worker, context, shards, fuse } = work;
  if ((await inSteps(work, 'compare', compareSnapshot)) === null) return null;
  const count = sumOf(await Promise.all(shards.map((shard) => countMissing(shard, list))));
  const judgement = await call(work, async () => await judgeSnapshot(context, list, count, { ...fuse, worker }));
  if (judgement.kind === 'gone') return null;

  const { adopted, restored, elsewhere } = count;
  const figures = { adopted, restored, dropped: 0, elsewhere };
  const result: CompleteSnapshot = { kind: 'complete', ...figures, hangUp: [], suspended: null };
  if (judgement.kind === 'suspended') {
    result.suspended = fuseOf(list.node);
    if (judgement.tell) await tell(work, judgement.sinceMs, count);
  } else {
    const dropped = await inSteps(work, 'drop', dropMissing);
    if (dropped === null) return null;
    result.dropped = dropped;
    result.hangUp = await idsToHangUp(work);
  }
  if (!(await call(work, async () => await settleSnapshot(context, list, result)))) return null;
  await forget(work);
  return result;
}

/** What the node has to hang up; whatever of it had ended provisionally has really ended then. */
export async function idsToHangUp({ list, shards }: Pick<Reconciliation, 'list' | 'shards'>): Promise<string[]> {
  return (await Promise.all(shards.map((shard) => settleHangUps(shard, list)))).flat();
}

/** Works on all shards in small steps. Returns how many sessions were done; null where the work is no longer this caller's. */
async function inSteps(
  work: Reconciliation,
  phase: SnapshotPhase,
  stepsOf: (shard: BatchContext, list: SnapshotRef) => AsyncIterable<Step>,
): Promise<number | null> {
  const { list, worker, context, shards } = work;
  const latest = new Map<number, Step>();
  const sum = (part: keyof Step) => [...latest.values()].reduce((total, step) => total + step[part], 0);
  const soFar = () => ({ phase, done: sum('done'), of: sum('of') });
  const report = async () => await call(work, async () => await reportProgress(context, list, { worker, ...soFar() }));
  let [steps, ours] = [0, true];
  await Promise.all(
    shards.map(async (shard) => {
      for await (const step of stepsOf(shard, list)) {
        latest.set(shard.shard, step);
        work.onProgress?.({ tenant: context.tenant, node: list.node, ...soFar() });
        if (++steps % STEPS_PER_REPORT === 0) ours &&= await report();
        if (!ours) return;
      }
    }),
  );
  if (ours && sum('of') > 0) ours = await report();
  return ours ? sum('done') : null;
}

/** The fuse that watches over the lists of a node. */
function fuseOf(node: string): string {
  return `snapshot/${node}`;
}

async function tell(work: Reconciliation, sinceMs: number, count: ShardCount): Promise<void> {
  const { node, epoch } = work.list;
  const { wouldEnd, wouldHangUp, held } = count;
  const details = { kind: 'snapshot', node, epoch, wouldEnd, wouldHangUp, held };
  for (const first of work.shards.slice(0, 1)) {
    await call(work, async () => await tellFuse(first, fuseOf(node), sinceMs, details));
  }
}

/** Only the ids to hang up stay until they expire, for a caller who never got the answer. */
async function forget(work: Reconciliation): Promise<void> {
  const { node, epoch, mark } = work.list;
  for (const shard of work.shards) {
    const keys = keysOf(shard);
    const kinds = ['listed', 'adopted', 'restored', 'elsewhere', 'dropped'] as const;
    await call(
      work,
      async () => await shard.client.unlink(kinds.map((kind) => keys.snapshot(kind, node, epoch, mark))),
    );
  }
}

function sumOf(counts: ShardCount[]): ShardCount {
  const sum = { wouldEnd: 0, held: 0, wouldHangUp: 0, listed: 0, adopted: 0, restored: 0, elsewhere: 0 };
  for (const count of counts) {
    for (const name of Object.keys(sum) as (keyof ShardCount)[]) sum[name] += count[name];
  }
  return sum;
}

async function call<T>({ deadlineMs }: Reconciliation, verb: () => Promise<T>): Promise<T> {
  return await withDeadline(deadlineMs, verb);
}
