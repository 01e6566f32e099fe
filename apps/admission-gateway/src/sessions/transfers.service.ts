import { Inject, Injectable } from '@nestjs/common';

import { assertMaySpeakForNode, assertMaySpeakForSession, LOGGER, type Logger, type Principal } from '#service-kit';
import type { SessionRef, TransferOutcome, Transferred, TransferTarget } from '#session-core';
import { logSessionAuthenticated, logSessionTransferred, logTerminatedOldest, peerOf } from '#session-wire';

import { GatewayMetrics } from './gateway.metrics.js';
import { isOvershot, logRefusal, refusalOf } from './refusal.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';

/** Live sessions that get another user, node or id. A place for another user is judged as at an admission. */
@Injectable()
export class TransfersService {
  constructor(
    private readonly tenants: TenantsRepository,
    private readonly metrics: GatewayMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async authenticate(
    caller: Principal,
    session: SessionRef,
    user: string,
    attempt: number | undefined,
  ): Promise<TransferOutcome> {
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, session);
    const outcome = await store.transfers.authenticate(ref, session, user, attempt);
    this.record(session, user, outcome);
    if (outcome.kind === 'live' && outcome.changed) {
      logSessionAuthenticated(this.logger, { sessionId: outcome.session.id, user, peer: peerOf(outcome.session) });
    }
    return outcome;
  }

  /**
   * A key that is bound to nodes has to cover both: the one that hands over, and the one that takes over, whose run this call may be
   * the first to name.
   */
  async transfer(
    caller: Principal,
    session: SessionRef,
    target: TransferTarget,
    attempt: number | undefined,
  ): Promise<TransferOutcome> {
    const { ref, store, nodes } = this.tenants.named(caller.tenant);
    assertMaySpeakForNode(caller, target.node);
    await assertMaySpeakForSession(caller, store, ref, session);
    const outcome = await store.transfers.transfer(ref, session, target, attempt);
    this.record(session, target.user ?? '', outcome);
    if (outcome.kind === 'stale-epoch') await nodes.refused(ref, target);
    if (outcome.kind === 'live' && outcome.changed) {
      const { id, user } = outcome.session;
      if (id !== session.sessionId) this.metrics.sessionsEnded('transferred', 1);
      const { node, epoch } = target;
      logSessionTransferred(this.logger, { sessionId: id, user, peer: peerOf(outcome.session) }, { node, epoch });
    }
    return outcome;
  }

  private record({ sessionId }: SessionRef, user: string, outcome: TransferOutcome): void {
    if (outcome.kind === 'live') this.recordPlace(sessionId, user, outcome);
    if (outcome.kind !== 'rejected') return;
    this.metrics.admission('rejected', refusalOf(outcome.limits).code);
    logRefusal(this.logger, outcome, user, sessionId);
  }

  private recordPlace(sessionId: string, user: string, { session, limits, terminated }: Transferred): void {
    if (limits.some(isOvershot)) {
      this.metrics.overshoot(session.priority === 'emergency' ? 'emergency' : 'lowered_limit');
    }
    for (const { id } of terminated) {
      logTerminatedOldest(this.logger, { username: user, terminatedSession: id, newCallId: sessionId });
    }
    if (terminated.length > 0) this.metrics.sessionsEnded('evicted', terminated.length);
  }
}
