import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, type Logger, type Principal } from '#service-kit';
import { NodesStore, type TenantRef } from '#session-core';

/** What an operator decides about fuses. */
@Injectable()
export class FuseService {
  constructor(
    private readonly nodes: NodesStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Returns false if no such fuse has tripped. */
  async allow(tenant: TenantRef, fuse: string, { id: by }: Principal): Promise<boolean> {
    const allowed = await this.nodes.allow(tenant, fuse);
    if (allowed) this.logger.warn({ tenant: tenant.name, fuse, by }, 'Fuse overruled: what it has stopped may go on');
    return allowed;
  }
}
