import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { booksOfTenants, CONFIG, TenantRegistryService, type TenantBooks } from '#service-kit';
import { NodesStore, SessionStore, SnapshotsStore } from '#session-core';

/** The tenants of the configuration with the ways to their books. */
@Injectable()
export class InboxTenants {
  private readonly byName: ReadonlyMap<string, TenantBooks>;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    store: SessionStore,
    nodes: NodesStore,
    snapshots: SnapshotsStore,
    private readonly registry: TenantRegistryService,
  ) {
    this.byName = new Map(booksOfTenants(config, { store, nodes, snapshots }).map((books) => [books.ref.name, books]));
  }

  /** Throws StoreUnavailableError while the tenant is not opened. */
  named(name: string): TenantBooks | undefined {
    const books = this.byName.get(name);
    if (books !== undefined) this.registry.assertOpen(name);
    return books;
  }
}
