import { randomInt } from 'node:crypto';
import { shardNumbers, shardOf, tenantKeys, type TenantRef } from './keys.js';
import type { NodePolicy } from './model/node.js';
import type { SessionPolicy } from './model/session.js';
import type {
  SnapshotEntry,
  SnapshotOutcome,
  SnapshotPart,
  SnapshotPhase,
  SnapshotProgress,
} from './model/snapshot.js';
import { idsToHangUp, reconcile, type Reconciliation, type ReconciliationProgress } from './reconciliation.js';
import { adopt } from './scripts/adopt.script.js';
import type { StoreClient } from './scripts/script.js';
import { takePart, type TakenPart } from './scripts/take-part.script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf, type Tombstones } from './tombstones.js';

export interface SnapshotsStoreOptions {
  client: StoreClient;
  /** How long one call may take before it counts as an outage, milliseconds. A complete list takes many calls. */
  deadlineMs: number;
  tombstoneMs: Tombstones;
  policy: Pick<NodePolicy, 'fuseShare' | 'fuseSessions' | 'onReturn'>;
  /** The policy of a session that the books did not know: a list does not say its protocol. */
  policyOf: (tenant: string, entry: SnapshotEntry) => SessionPolicy;
  /** OutboxReader after each step of the work on a complete list. */
  onProgress?: ((progress: ReconciliationProgress) => void) | undefined;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** So many sessions are entered in one call: about 1 ms of Redis if it knows none of them, 0.1 ms if it knows all. */
const ADOPTED = 25;

/** Brings the books and what nodes say they hold together. See "Reconciliation" in docs/architecture.md. */
export class SnapshotsStore {
  constructor(private readonly options: SnapshotsStoreOptions) {}

  /**
   * Takes a part of a node's list. What it names is alive, and is on the books when this returns. With the last part the list is
   * complete: what it lacks for the second time ends, unless a fuse stops that.
   *
   * Every part, and every list, may be sent again, in any order, through any gateway; after a failure that is what to do. With several
   * shards a session is looked for in the shard of the user that the list says: one that lives in another shard is not found there, and is
   * taken for another session.
   *
   * Throws StoreUnavailableError when Redis gives no answer in time.
   */
  async part(tenant: TenantRef, said: SnapshotPart): Promise<SnapshotOutcome> {
    const work = this.workOn(tenant, said);
    const opened = await this.take(work, said, false);
    if (opened.kind !== 'open') return await this.answer(work, opened);
    const refused = await this.adoptAll(tenant, work, said.sessions);
    if (refused !== null) return refused;
    return await this.answer(work, await this.take(work, said, true));
  }

  /** How far the newest list of a node has come; null if none came lately. */
  async progress(tenant: TenantRef, node: string): Promise<SnapshotProgress | null> {
    const known = await this.call(
      async () => await this.options.client.hgetall(tenantKeys(tenant.name).snapshot(node)),
    );
    if (known['epoch'] === undefined) return null;
    const number = (field: string) => Number(known[field] ?? 0);
    const state = known['state'] as SnapshotProgress['state'];
    return {
      epoch: number('epoch'),
      mark: number('mark'),
      parts: number('parts'),
      arrived: number('arrived'),
      state,
      phase: (known['phase'] as SnapshotPhase | undefined) ?? null,
      done: number('done'),
      of: number('of'),
    };
  }

  private async take({ context, worker }: Reconciliation, said: SnapshotPart, taken: boolean): Promise<TakenPart> {
    return await this.call(async () => await takePart(context, said, { taken, worker }));
  }

  private async answer(work: Reconciliation, taken: TakenPart): Promise<SnapshotOutcome> {
    switch (taken.kind) {
      case 'complete':
        return (await reconcile(work)) ?? { kind: 'part' };
      case 'done': {
        const { kind: _, ...figures } = taken;
        return { kind: 'complete', ...figures, hangUp: taken.suspended === null ? await idsToHangUp(work) : [] };
      }
      case 'open':
        return { kind: 'part' };
      default:
        return taken;
    }
  }

  /** Enters what a part says into its shards. Every shard hears of every part, so that each knows that a list has been there. */
  private async adoptAll(tenant: TenantRef, { list, shards }: Reconciliation, sessions: SnapshotEntry[]) {
    const { policy, policyOf } = this.options;
    const options = {
      tombstoneMs: tombstoneOf(this.options, tenant),
      onReturn: policy.onReturn,
      policyOf: (entry: SnapshotEntry) => policyOf(tenant.name, entry),
    };
    const outcomes = await Promise.all(
      shards.map(async (context) => {
        const here = sessions.filter(({ user }) => shardOf(tenant, user) === context.shard);
        for (let from = 0; from === 0 || from < here.length; from += ADOPTED) {
          const batch = here.slice(from, from + ADOPTED);
          const outcome = await this.call(async () => await adopt(context, list, batch, options));
          if (outcome.kind === 'stale-epoch') return outcome;
        }
        return null;
      }),
    );
    return outcomes.find((outcome) => outcome !== null) ?? null;
  }

  private workOn({ name, shards, identity }: TenantRef, { node, epoch, mark }: SnapshotPart): Reconciliation {
    const { client, clockMs, deadlineMs, policy, onProgress } = this.options;
    const context = { client, tenant: name, clockMs };
    return {
      list: { node, epoch, mark },
      worker: randomInt(2 ** 47),
      context,
      shards: shardNumbers({ name, shards }).map((shard) => ({ ...context, shards, shard, identity, deadlineMs })),
      deadlineMs,
      fuse: policy,
      onProgress,
    };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}
