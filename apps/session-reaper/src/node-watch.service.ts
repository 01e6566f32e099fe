import { Injectable } from '@nestjs/common';

import { NodesStore, type TenantRef } from '#session-core';

import { InboxLagService } from './inbox/inbox-lag.service.js';
import { ReaperReportService } from './reaper-report.service.js';

/** Looks which nodes have fallen silent. Any number of watchers at once is right. */
@Injectable()
export class NodeWatchService {
  constructor(
    private readonly nodes: NodesStore,
    private readonly inbox: InboxLagService,
    private readonly report: ReaperReportService,
  ) {}

  /** Lost nodes are refused from now on; the sweeps of the shards end what they held. Rejects when Redis does not answer. */
  async watch(tenant: TenantRef): Promise<void> {
    const { losing, fuse, silent, live } = await this.nodes.watch(tenant, await this.inbox.behindMs());
    for (const { node, epoch } of losing) this.report.nodeLost(tenant.name, node, epoch);
    if (fuse === 'just-tripped') this.report.nodesFuseTripped(tenant.name, silent, live);
  }
}
