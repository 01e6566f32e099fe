import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { booksOfTenants, CONFIG, TenantRegistryService, type TenantBooks } from '#service-kit';
import { NodesStore, SessionStore, SnapshotsStore } from '#session-core';

/** The configured tenants. A caller's tenant is one of them: authentication refuses every other. */
@Injectable()
export class TenantsRepository {
  readonly all: readonly TenantBooks[];
  private readonly byName: ReadonlyMap<string, TenantBooks>;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    private readonly store: SessionStore,
    nodes: NodesStore,
    snapshots: SnapshotsStore,
    private readonly registry: TenantRegistryService,
  ) {
    this.all = booksOfTenants(config, { store, nodes, snapshots });
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
    return this.store.withdrawals.pending;
  }

  /** Takes back what was lost until now; nothing is taken back afterwards. */
  async closeWithdrawals(): Promise<void> {
    await this.store.withdrawals.close();
  }
}
