import type { BerthConfig } from '#config';
import { shardNumbers, type TenantRef } from '#session-core';

/** One shard of a tenant. `key` is its name in jobs and log lines. */
export interface ShardRef {
  key: string;
  tenant: TenantRef;
  shard: number;
}

/** Every shard of every tenant of the configuration, by key. */
export function allShards(config: BerthConfig): ReadonlyMap<string, ShardRef> {
  const refs = Object.values(config.tenants).flatMap((tenant) =>
    shardNumbers(tenant).map((shard) => ({ key: `${tenant.name}/${shard}`, tenant, shard })),
  );
  return new Map(refs.map((ref) => [ref.key, ref]));
}
