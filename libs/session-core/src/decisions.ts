import { observed, type DecisionObserver } from './decision-observer.js';
import { StoreUnavailableError } from './errors.js';
import { futureEpoch } from './future-epoch.js';
import { GroupParents } from './group-parents.js';
import { shardOf, type TenantRef } from './keys.js';
import type { LimitsStore } from './limits-store.js';
import type { AdmissionRequest, AdmissionToken, Decision, StaleEpoch } from './model/decision.js';
import { MAX_ANCESTORS } from './model/limit.js';
import { admit, type AdmitOptions } from './scripts/admit.script.js';
import type { ShardContext } from './scripts/script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf, type Tombstones } from './tombstones.js';

export interface DecisionsOptions {
  deadlineMs: number;
  tombstoneMs: Tombstones;
  observer: DecisionObserver | undefined;
  limits: LimitsStore;
  contextOf: (tenant: TenantRef, shard: number) => ShardContext;
}

/** A shard without limits is given them; one that knows other groups is asked again, a level of them each time; and a run may be replaced. */
const MAX_TRIES = 2 * MAX_ANCESTORS + 6;

/** A check owns nothing; 0 would be that of a record whose token was never refused. */
export const NO_TOKEN = -1;

/** Asks the shard of a user for a decision until it is one: limits are published, groups learned and runs joined on the way. */
export class Decisions {
  private readonly parents = new GroupParents();

  constructor(private readonly options: DecisionsOptions) {}

  /** A session that went on in another shard is asked for there: with another user its id is taken, without one the answer is its own. */
  async decide(
    tenant: TenantRef,
    request: AdmissionRequest,
    token: AdmissionToken,
    mode: AdmitOptions['mode'],
  ): Promise<Decision> {
    let decision = await this.ask(tenant, request, token, mode);
    for (let hops = 0; hops < tenant.shards && decision.kind === 'ended'; hops++) {
      const movedTo = decision.session?.movedTo;
      if (movedTo?.sessionId !== request.sessionId) break;
      const there = await this.ask(tenant, { ...request, user: movedTo.user }, NO_TOKEN, 'check');
      if (there.kind === 'admitted' && there.repeated) {
        return request.user === '' || request.user === there.session.user ? there : { kind: 'id-conflict' };
      }
      if (there.kind !== 'ended') break;
      decision = there;
    }
    return decision;
  }

  private async ask(
    tenant: TenantRef,
    request: AdmissionRequest,
    token: AdmissionToken,
    mode: AdmitOptions['mode'],
  ): Promise<Decision> {
    const context = this.options.contextOf(tenant, shardOf(tenant, request.user));
    const tombstoneMs = tombstoneOf(this.options, tenant);
    const asking = async () => {
      let { epoch } = request;
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const groups = this.parents.expand(tenant.name, request);
        const asked = epoch === request.epoch ? request : { ...request, epoch };
        const decision = await admit(context, asked, { token, mode, tombstoneMs, groups });
        if (decision.kind === 'regroup') this.parents.learn(tenant.name, groups, decision.parents);
        else if (decision.kind === 'no-limits') await this.options.limits.publish(tenant);
        else if (decision.kind === 'join') ({ epoch } = decision);
        else if (decision.kind === 'future-epoch') throw futureEpoch(decision.epoch, decision.nowMs);
        else if (decision.kind === 'stale-epoch' && isReplaced(decision, request, epoch)) epoch = null;
        else return decision;
      }
      throw new StoreUnavailableError(
        `The limits of tenant ${tenant.name} could not be published, or change all the time`,
      );
    };
    return await observed(this.options.observer, context, () => withDeadline(this.options.deadlineMs, asking));
  }
}

/** Whether the run that a session without an epoch was to join has been replaced meanwhile. */
function isReplaced({ currentEpoch }: StaleEpoch, asked: AdmissionRequest, joined: number | null): boolean {
  return asked.epoch === null && joined !== null && currentEpoch > joined;
}
