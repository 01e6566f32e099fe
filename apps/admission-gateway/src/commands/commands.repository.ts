import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, TenantRegistryService } from '#service-kit';
import { CommandsStore, type TenantRef } from '#session-core';

/** A tenant and what its nodes must still do. */
export interface TenantCommands {
  readonly tenant: TenantRef;
  readonly store: CommandsStore;
}

@Injectable()
export class CommandsRepository {
  private readonly byName: ReadonlyMap<string, TenantCommands>;

  constructor(
    @Inject(CONFIG) { tenants }: BerthConfig,
    store: CommandsStore,
    private readonly registry: TenantRegistryService,
  ) {
    const all = Object.values(tenants).map(({ name, shards }) => ({ tenant: { name, shards }, store }));
    this.byName = new Map(all.map((one) => [one.tenant.name, one]));
  }

  /** Throws StoreUnavailableError while the tenant is not opened. */
  named(name: string): TenantCommands {
    const found = this.byName.get(name);
    if (found === undefined) throw new Error(`tenant ${name} is not configured`);
    this.registry.assertOpen(name);
    return found;
  }
}
