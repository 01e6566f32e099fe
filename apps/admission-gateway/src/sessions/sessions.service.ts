import { Inject, Injectable } from '@nestjs/common';

import { assertMaySpeakForSession, LOGGER, type Logger, type Principal } from '#service-kit';
import type { EndOutcome, EndRequest, FoundSession, SessionOutcome, SessionRef, TrafficTotals } from '#session-core';
import { logSessionRemoved, peerOf } from '#session-wire';

import { GatewayMetrics } from './gateway.metrics.js';
import { TenantsRepository } from '../tenants/tenants.repository.js';

/** What a node says of a session that it holds, and what it may ask about one. Repeating any of it changes nothing. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly tenants: TenantsRepository,
    private readonly metrics: GatewayMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async confirm(caller: Principal, session: SessionRef, attempt: number | undefined): Promise<SessionOutcome> {
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, session);
    return await store.confirm(ref, session, attempt);
  }

  async renew(
    caller: Principal,
    session: SessionRef,
    totals: TrafficTotals,
    attempt: number | undefined,
  ): Promise<SessionOutcome> {
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, session);
    return await store.renew(ref, session, totals, { attempt });
  }

  async get(caller: Principal, session: SessionRef): Promise<FoundSession> {
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, session);
    return await store.get(ref, session);
  }

  /** The node says that it is over. The reason is always `completed`; what the node wrote is kept as a note. */
  async end(
    caller: Principal,
    session: SessionRef,
    ending: Pick<EndRequest, 'attempt' | 'note' | 'totals'>,
  ): Promise<EndOutcome> {
    const { ref, store } = this.tenants.named(caller.tenant);
    await assertMaySpeakForSession(caller, store, ref, session);
    const outcome = await store.end(ref, session, { ...ending, reason: 'completed', by: 'node' });
    if (outcome.kind === 'now') {
      const { id, user } = outcome.session;
      this.metrics.sessionsEnded('completed', 1);
      logSessionRemoved(this.logger, { sessionId: id, user, peer: peerOf(outcome.session) });
    }
    return outcome;
  }
}
