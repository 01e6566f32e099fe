import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, LOGGER, policyFor, REDIS, type BerthConfig, type Logger, type TenantConfig } from '#service-kit';
import { NodesStore, SessionStore, SnapshotsStore, type StoreClient, type TenantRef } from '#session-core';

/** A tenant and the way to its books. */
export interface Tenant {
  readonly ref: TenantRef;
  readonly config: TenantConfig;
  readonly store: SessionStore;
  readonly nodes: NodesStore;
  readonly snapshots: SnapshotsStore;
}

/** The configured tenants. A caller's tenant is one of them: authentication refuses every other. */
@Injectable()
export class TenantsRepository {
  readonly all: readonly Tenant[];
  private readonly byName: ReadonlyMap<string, Tenant>;

  constructor(@Inject(CONFIG) config: BerthConfig, @Inject(REDIS) client: StoreClient, @Inject(LOGGER) logger: Logger) {
    this.all = Object.values(config.tenants).map((tenant) => {
      const { tombstoneMs } = tenant;
      const common = { client, deadlineMs: config.store.decisionDeadlineMs, tombstoneMs };
      return {
        ref: { name: tenant.name, shards: tenant.shards },
        config: tenant,
        store: new SessionStore(common),
        snapshots: new SnapshotsStore({
          ...common,
          policy: config.nodes,
          policyOf: () => policyFor(tenant, 'sip'),
          onProgress: (progress) => logger.info({ tenant: tenant.name, ...progress }, 'Working on a snapshot'),
        }),
        nodes: new NodesStore({ ...common, policy: config.nodes }),
      };
    });
    this.byName = new Map(this.all.map((tenant) => [tenant.ref.name, tenant]));
  }

  named(name: string): Tenant {
    const tenant = this.byName.get(name);
    if (tenant === undefined) throw new Error(`tenant ${name} is not configured`);
    return tenant;
  }

  /** Admissions whose answer was lost and that are not taken back yet. */
  get pendingWithdrawals(): number {
    return this.all.reduce((sum, { store }) => sum + store.withdrawals.pending, 0);
  }

  /** Takes back what was lost until now; nothing is taken back afterwards. */
  async closeWithdrawals(): Promise<void> {
    await Promise.all(this.all.map(({ store }) => store.withdrawals.close()));
  }
}
