import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, LOGGER, REDIS, type BerthConfig, type Logger } from '#service-kit';
import type { StoreClient } from '#session-core';
import { openBooks, type TenantBooks } from '#session-wire';

/** The tenants of the configuration with the ways to their books. */
@Injectable()
export class InboxTenants {
  private readonly byName: ReadonlyMap<string, TenantBooks>;

  constructor(@Inject(CONFIG) config: BerthConfig, @Inject(REDIS) client: StoreClient, @Inject(LOGGER) logger: Logger) {
    this.byName = new Map(openBooks(config, client, logger).map((books) => [books.ref.name, books]));
  }

  named(name: string): TenantBooks | undefined {
    return this.byName.get(name);
  }
}
