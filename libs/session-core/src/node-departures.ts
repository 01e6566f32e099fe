import { StoreUnavailableError } from './errors.js';
import { futureEpoch } from './future-epoch.js';
import { tenantKeys, type TenantRef } from './keys.js';
import type { Leave } from './model/node.js';
import type { NodeRuns, NodeRunsOptions } from './node-runs.js';
import type { LeftRun, NodeRun } from './scripts/node-run.script.js';
import type { TenantContext } from './scripts/script.js';
import {
  leaveNode,
  renumberLoss,
  settleForgotten,
  settleLeft,
  settleLoss,
  type LeaveReply,
  type NodeEpoch,
} from './scripts/watch-nodes.script.js';
import { withDeadline } from './store-call.js';

/**
 * Runs that are over because the node was lost or has left. Each is marked for the tenant first, then in every shard; what a crash leaves between
 * the two is found by the next watch.
 */
export class NodeDepartures {
  constructor(
    private readonly options: NodeRunsOptions,
    private readonly runs: NodeRuns,
  ) {}

  /**
   * A node leaves for good, at its own word: from now on nothing is admitted for this run and older ones, nothing of the node is listed, watched
   * or counted by a fuse, and its commands are dropped. What it held is over, reason `completed`, and is left to `drain`. A larger epoch
   * begins anew; one that is not larger is refused for a day, so that nothing that is late brings the node back.
   *
   * Throws InvalidInputError for an epoch ahead of the clock of Redis, and StoreUnavailableError when Redis gives no answer in time; a reaper goes
   * on from there, and leaving again is always right.
   */
  async leave(tenant: TenantRef, run: NodeEpoch): Promise<Leave> {
    const begun = await this.runs.begunOf(tenant, run.node);
    if (begun !== null && begun > run.epoch) return { kind: 'stale', currentEpoch: begun };
    let reply = await this.mark(tenant, run, false);
    if (reply.kind === 'future') {
      if (!(await this.runs.isKnown(tenant, run.node, run.epoch))) throw futureEpoch(run.epoch, reply.nowMs);
      reply = await this.mark(tenant, run, true);
    }
    if (reply.kind === 'stale') return reply;
    if (reply.kind === 'future') throw new StoreUnavailableError(`Node ${run.node} was forgotten while it left`);
    await this.close(tenant, { ...run, beaten: reply.beaten });
    return { kind: 'left' };
  }

  /** The tenant knows that a node has left: so does every shard when this returns. */
  async close(tenant: TenantRef, run: LeftRun): Promise<void> {
    await this.runs.close(tenant, run);
    const isLeft = await this.call(async () => await settleLeft(this.ofTenant(tenant), run));
    if (!isLeft) await this.runs.forget(tenant, run); // nothing else would take the mark from the shards again
  }

  /** The tenant knows that a run is lost: so does every shard when this returns, or the next watch informs them. */
  async lose(tenant: TenantRef, run: NodeRun): Promise<void> {
    const inForce = await this.runs.lose(tenant, run);
    const alive = inForce.filter((known) => known.epoch === run.epoch && known.over === null);
    if (alive.length === 0) await settleLoss(this.ofTenant(tenant), run);
    else await renumberLoss(this.ofTenant(tenant), run, Math.max(...alive.map(({ change }) => change)) + 1);
  }

  /**
   * Forgets a run that was lost or has left long ago. What cannot be forgotten yet is looked at again a day later, and hinders none
   * until then; shards that do not know that it has left learn of it once more.
   */
  async forget(tenant: TenantRef, run: NodeEpoch, nowMs: number): Promise<void> {
    const outcomes = await this.runs.forget(tenant, run);
    if (!outcomes.includes('kept')) {
      await settleForgotten(this.ofTenant(tenant), run);
      return;
    }
    const { lostNodes, leftNodes } = tenantKeys(tenant.name);
    const { client } = this.options;
    await Promise.all([client.zadd(lostNodes, 'XX', nowMs, run.node), client.zadd(leftNodes, 'XX', 0, run.node)]);
  }

  private async mark(tenant: TenantRef, run: NodeEpoch, known: boolean): Promise<LeaveReply> {
    return await this.call(async () => await leaveNode(this.ofTenant(tenant), run, known));
  }

  private ofTenant({ name }: TenantRef): TenantContext {
    return { client: this.options.client, tenant: name, clockMs: this.options.clockMs };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}
