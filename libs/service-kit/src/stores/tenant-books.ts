import type { BerthConfig, TenantConfig } from '#config';
import type { NodesStore, SessionStore, SnapshotsStore, TenantRef } from '#session-core';

/** A tenant and the ways to its books. */
export interface TenantBooks {
  readonly ref: TenantRef;
  readonly config: TenantConfig;
  readonly store: SessionStore;
  readonly nodes: NodesStore;
  readonly snapshots: SnapshotsStore;
}

/** Every tenant of the configuration, with the stores of the process. */
export function booksOfTenants(
  { tenants }: BerthConfig,
  stores: Pick<TenantBooks, 'store' | 'nodes' | 'snapshots'>,
): TenantBooks[] {
  return Object.values(tenants).map((config) => ({
    ref: { name: config.name, shards: config.shards, identity: config.identity },
    config,
    ...stores,
  }));
}
