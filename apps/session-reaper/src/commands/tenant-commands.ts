import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, TenantRegistryService } from '#service-kit';
import { CommandsStore, type TenantRef } from '#session-core';

/** The tenants of the configuration, each with what its nodes must still do. */
@Injectable()
export class TenantCommands {
  private readonly configured: readonly { tenant: TenantRef; store: CommandsStore }[];

  constructor(
    @Inject(CONFIG) { tenants }: BerthConfig,
    store: CommandsStore,
    private readonly registry: TenantRegistryService,
  ) {
    this.configured = Object.values(tenants).map(({ name, shards }) => ({ tenant: { name, shards }, store }));
  }

  /** Those that are opened. */
  get all(): readonly { tenant: TenantRef; store: CommandsStore }[] {
    return this.configured.filter(({ tenant }) => this.registry.isOpen(tenant.name));
  }
}
