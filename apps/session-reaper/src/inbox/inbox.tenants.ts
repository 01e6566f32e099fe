import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, LOGGER, REDIS, TenantRegistryService, type BerthConfig, type Logger } from '#service-kit';
import type { StoreClient } from '#session-core';
import { openBooks, type TenantBooks } from '#session-wire';

/** The tenants of the configuration with the ways to their books. */
@Injectable()
export class InboxTenants {
  private readonly byName: ReadonlyMap<string, TenantBooks>;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    @Inject(LOGGER) logger: Logger,
    private readonly registry: TenantRegistryService,
  ) {
    this.byName = new Map(openBooks(config, client, logger).map((books) => [books.ref.name, books]));
  }

  /** Throws StoreUnavailableError while the tenant is not opened. */
  named(name: string): TenantBooks | undefined {
    const books = this.byName.get(name);
    if (books !== undefined) this.registry.assertOpen(name);
    return books;
  }
}
