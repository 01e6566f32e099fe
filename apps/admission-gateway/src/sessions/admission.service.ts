import { setImmediate } from 'node:timers/promises';

import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';

import {
  assertMaySpeakForNode,
  assertMaySpeakForSession,
  LOGGER,
  type Logger,
  type Principal,
  type ProblemCode,
} from '#service-kit';
import {
  StoreUnavailableError,
  type AdmissionRequest,
  type AdmissionToken,
  type Admitted,
  type Decision,
  type OwnedDecision,
  type Rejected,
} from '#session-core';
import { logSessionCreated, logTerminatedOldest, peerOf } from '#session-wire';

import { assertMayAskFor } from './emergency.js';
import { GatewayMetrics } from './gateway.metrics.js';
import { isOvershot, logRefusal, refusalOf } from './refusal.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';

/** As what a decision is counted that neither admits nor refuses by limits. */
const REASON = {
  ended: 'session-ended',
  'id-conflict': 'session-id-conflict',
  'stale-epoch': 'stale-epoch',
  'node-draining': 'node-draining',
  withdrawn: 'store-unavailable',
} as const satisfies Record<Exclude<Decision['kind'], 'admitted' | 'rejected'>, ProblemCode>;

/** May this session start? */
@Injectable()
export class AdmissionService implements OnModuleDestroy {
  private readonly underWay = new Set<Promise<OwnedDecision>>();

  constructor(
    private readonly tenants: TenantsRepository,
    private readonly metrics: GatewayMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Decides, and if the session may start puts it on the books. A caller that cannot deliver an admission calls `takeBack`.
   *
   * Throws `forbidden` for what the caller's key does not allow, StoreUnavailableError when nothing could be decided.
   */
  async admit(caller: Principal, request: AdmissionRequest): Promise<OwnedDecision> {
    assertAllowed(caller, request);
    const { ref, store, nodes } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, request);
    const stopTimer = this.metrics.startAdmission();
    const deciding = store.admit(ref, request);
    this.underWay.add(deciding);
    try {
      const owned = await deciding;
      this.record(request, owned.decision);
      if (owned.decision.kind === 'stale-epoch') await nodes.refused(ref, request);
      return owned;
    } catch (error) {
      this.metrics.admission('failed', error instanceof StoreUnavailableError ? 'store-unavailable' : 'internal-error');
      throw error;
    } finally {
      this.underWay.delete(deciding);
      stopTimer();
    }
  }

  /** What `admit` would decide now, without doing it. */
  async check(caller: Principal, request: AdmissionRequest): Promise<Decision> {
    assertAllowed(caller, request);
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, request);
    return await store.check(ref, request);
  }

  /** The answer never reached its caller: the place is given back, unless a later call of the same session owns it now. */
  takeBack(caller: Principal, request: AdmissionRequest, token: AdmissionToken): void {
    const { ref, store } = this.tenants.named(caller.tenant);
    store.withdrawLater(ref, request, token);
  }

  /**
   * The server has stopped, but it does not wait for callers that hung up. Their decisions end first, then (an immediate later,
   * when their callers have seen them) what could not be answered is taken back, and only then may Redis be closed.
   */
  async onModuleDestroy(): Promise<void> {
    await Promise.allSettled(this.underWay);
    await setImmediate();
    await this.tenants.closeWithdrawals();
  }

  private record(request: AdmissionRequest, decision: Decision): void {
    switch (decision.kind) {
      case 'admitted':
        this.metrics.admission('admitted', decision.repeated ? 'repeated' : 'new');
        if (!decision.repeated) this.recordNew(request, decision);
        break;
      case 'rejected':
        this.recordRefusal(request, decision);
        break;
      default:
        this.metrics.admission(decision.kind, REASON[decision.kind]);
    }
  }

  private recordNew({ sessionId, user, facts, priority }: AdmissionRequest, { terminated, limits }: Admitted): void {
    for (const { scope, observed } of limits) if (observed) this.metrics.limitObserved(scope);
    if (limits.some(isOvershot)) {
      this.metrics.overshoot(priority === 'emergency' ? 'emergency' : 'lowered_limit');
    }
    for (const { id } of terminated) {
      logTerminatedOldest(this.logger, { username: user, terminatedSession: id, newCallId: sessionId });
    }
    if (terminated.length > 0) this.metrics.sessionsEnded('evicted', terminated.length);
    logSessionCreated(this.logger, { sessionId, user, peer: peerOf(facts) });
  }

  private recordRefusal({ sessionId, user }: AdmissionRequest, refusal: Rejected): void {
    this.metrics.admission('rejected', refusalOf(refusal.limits).code);
    logRefusal(this.logger, refusal, user, sessionId);
  }
}

function assertAllowed(caller: Principal, { node, priority }: AdmissionRequest): void {
  assertMaySpeakForNode(caller, node);
  assertMayAskFor(caller, priority);
}
