import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { Books, effectiveLimits, NodesStore } from '#session-core';

import { LimitsService } from '../limits/limits.service.js';
import { limitsSummary } from '../limits/limits.view.js';

export interface TenantView {
  name: string;
  shards: number;
  activeSessions: number;
  /** Users with live sessions. */
  users: number;
  /** Nodes that beat. */
  nodesLive: number;
  limits: ReturnType<typeof limitsSummary>;
}

/** What there is to see of a tenant from above. */
@Injectable()
export class TenantOverview {
  constructor(
    private readonly books: Books,
    private readonly nodes: NodesStore,
    private readonly limits: LimitsService,
  ) {}

  async of(tenant: TenantConfig): Promise<TenantView> {
    const [activeSessions, users, nodes, document] = await Promise.all([
      this.books.total(tenant),
      this.books.countOfUsers(tenant),
      this.nodes.counts(tenant),
      this.limits.document(tenant),
    ]);
    return {
      name: tenant.name,
      shards: tenant.shards,
      activeSessions,
      users,
      nodesLive: nodes.live,
      limits: limitsSummary(effectiveLimits(document)),
    };
  }
}
