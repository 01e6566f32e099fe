import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, REDIS, TenantRegistryService, type BerthConfig } from '#service-kit';
import { CommandsStore, type StoreClient, type TenantRef } from '#session-core';

/** The tenants of the configuration, each with what its nodes must still do. */
@Injectable()
export class TenantCommands {
  private readonly configured: readonly { tenant: TenantRef; store: CommandsStore }[];

  constructor(
    @Inject(CONFIG) { redis: { deadlineMs }, tenants }: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    private readonly registry: TenantRegistryService,
  ) {
    this.configured = Object.values(tenants).map((tenant) => ({
      tenant: { name: tenant.name, shards: tenant.shards },
      store: new CommandsStore({
        client,
        deadlineMs,
        get tombstoneMs() {
          return tenant.tombstoneMs;
        },
      }),
    }));
  }

  /** Those that are opened. */
  get all(): readonly { tenant: TenantRef; store: CommandsStore }[] {
    return this.configured.filter(({ tenant }) => this.registry.isOpen(tenant.name));
  }
}
