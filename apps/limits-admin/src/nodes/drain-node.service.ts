import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, type Logger, type Principal } from '#service-kit';
import { NodesStore, type TenantRef } from '#session-core';

/** Has nodes take no new sessions because an operator wants it so, or take them again. */
@Injectable()
export class DrainNodeService {
  constructor(
    private readonly nodes: NodesStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Returns how many sessions the node holds; it keeps them. Repeatable. Throws StoreUnavailableError; a reaper then brings it to its end. */
  async drain(tenant: TenantRef, node: string, draining: boolean, { id: by }: Principal): Promise<number> {
    await this.nodes.drains.set(tenant, node, draining);
    const sessions = await this.nodes.held(tenant, node);
    const event = { tenant: tenant.name, node, sessions, by };
    this.logger.warn(event, draining ? 'Node drained by admin' : 'Node taken back into service by admin');
    return sessions;
  }
}
