import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, LOGGER, policyFor, REDIS, type BerthConfig, type Logger } from '#service-kit';
import { NodesStore, SessionStore, SnapshotsStore, type StoreClient } from '#session-core';
import type { InboxTenant } from '#session-wire';

/** The tenants of the configuration with the ways to their books. */
@Injectable()
export class InboxTenants {
  private readonly byName: ReadonlyMap<string, InboxTenant>;

  constructor(@Inject(CONFIG) config: BerthConfig, @Inject(REDIS) client: StoreClient, @Inject(LOGGER) logger: Logger) {
    const tenants = Object.values(config.tenants).map((tenant): [string, InboxTenant] => {
      const common = { client, deadlineMs: config.redis.deadlineMs, tombstoneMs: tenant.tombstoneMs };
      const { nodes: policy } = config;
      const books = {
        ref: tenant,
        config: tenant,
        store: new SessionStore(common),
        nodes: new NodesStore({ ...common, policy }),
        snapshots: new SnapshotsStore({
          ...common,
          policy,
          policyOf: () => policyFor(tenant, 'sip'),
          onProgress: (progress) => logger.info({ tenant: tenant.name, ...progress }, 'Working on a snapshot'),
        }),
      };
      return [tenant.name, books];
    });
    this.byName = new Map(tenants);
  }

  named(name: string): InboxTenant | undefined {
    return this.byName.get(name);
  }
}
