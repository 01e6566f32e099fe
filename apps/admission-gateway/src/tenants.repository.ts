import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, LOGGER, REDIS, StoreHealth, TenantRegistryService, type BerthConfig, type Logger } from '#service-kit';
import type { StoreClient } from '#session-core';
import { openBooks, type TenantBooks } from '#session-wire';

/** The configured tenants. A caller's tenant is one of them: authentication refuses every other. */
@Injectable()
export class TenantsRepository {
  readonly all: readonly TenantBooks[];
  private readonly byName: ReadonlyMap<string, TenantBooks>;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    @Inject(LOGGER) logger: Logger,
    private readonly registry: TenantRegistryService,
    health: StoreHealth,
  ) {
    this.all = openBooks(config, client, logger, health);
    this.byName = new Map(this.all.map((tenant) => [tenant.ref.name, tenant]));
  }

  /** Throws StoreUnavailableError while the tenant is not opened. */
  named(name: string): TenantBooks {
    const tenant = this.byName.get(name);
    if (tenant === undefined) throw new Error(`tenant ${name} is not configured`);
    this.registry.assertOpen(name);
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
