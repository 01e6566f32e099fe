import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, REDIS, TenantRegistryService, type BerthConfig } from '#service-kit';
import { CommandsStore, type StoreClient, type TenantRef } from '#session-core';

/** A tenant and what its nodes must still do. */
export interface TenantCommands {
  readonly tenant: TenantRef;
  readonly store: CommandsStore;
}

@Injectable()
export class CommandsRepository {
  private readonly byName: ReadonlyMap<string, TenantCommands>;

  constructor(
    @Inject(CONFIG) { tenants, store: { decisionDeadlineMs: deadlineMs } }: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    private readonly registry: TenantRegistryService,
  ) {
    this.byName = new Map(
      Object.values(tenants).map((tenant) => {
        const { name, shards } = tenant;
        const store = new CommandsStore({
          client,
          deadlineMs,
          get tombstoneMs() {
            return tenant.tombstoneMs;
          },
        });
        return [name, { tenant: { name, shards }, store }];
      }),
    );
  }

  /** Throws StoreUnavailableError while the tenant is not opened. */
  named(name: string): TenantCommands {
    const found = this.byName.get(name);
    if (found === undefined) throw new Error(`tenant ${name} is not configured`);
    this.registry.assertOpen(name);
    return found;
  }
}
