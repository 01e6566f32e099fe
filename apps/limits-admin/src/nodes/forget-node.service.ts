import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, type Logger, type Principal } from '#service-kit';
import { NodesStore, shardNumbers, type TenantRef } from '#session-core';

import { TerminationService } from '../sessions/termination.service.js';

/** Forgets nodes because an operator says so: what they hold ends, and their next epoch may be any. */
@Injectable()
export class ForgetNodeService {
  constructor(
    private readonly nodes: NodesStore,
    private readonly termination: TerminationService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Returns how many sessions the node held, which have ended when this returns; null if nothing was known of it. The note goes to the log.
   *
   * A failure half-way leaves the rest to a reaper; the call may be repeated.
   */
  async forget(tenant: TenantRef, node: string, { by, note }: { by: Principal; note: string }): Promise<number | null> {
    const sessions = await this.nodes.forget(tenant, node, by.id);
    if (sessions === null) return null;
    this.logger.warn({ tenant: tenant.name, node, sessions, by: by.id, note }, 'Node forgotten by admin');
    await Promise.all(shardNumbers(tenant).map((shard) => this.drain(tenant, shard, by)));
    return sessions;
  }

  private async drain(tenant: TenantRef, shard: number, by: Principal): Promise<void> {
    for await (const session of this.nodes.drained(tenant, shard)) {
      if (session.endReason === 'killed') this.termination.record(session, by);
    }
  }
}
