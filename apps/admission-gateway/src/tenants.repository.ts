import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, REDIS, type BerthConfig, type TenantConfig } from '#service-kit';
import { SessionStore, type StoreClient, type TenantRef } from '#session-core';

/** A tenant and the way to its books. */
export interface Tenant {
  readonly ref: TenantRef;
  readonly config: TenantConfig;
  readonly store: SessionStore;
}

/** The configured tenants. A caller's tenant is one of them: authentication refuses every other. */
@Injectable()
export class TenantsRepository {
  readonly all: readonly Tenant[];
  private readonly byName: ReadonlyMap<string, Tenant>;

  constructor(@Inject(CONFIG) config: BerthConfig, @Inject(REDIS) client: StoreClient) {
    this.all = Object.values(config.tenants).map((tenant) => ({
      ref: { name: tenant.name, shards: tenant.shards },
      config: tenant,
      store: new SessionStore({
        client,
        deadlineMs: config.store.decisionDeadlineMs,
        tombstoneMs: tenant.tombstoneMs,
      }),
    }));
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
