import { shardKeys, shardNumbers, type TenantRef } from '#session-core';

/** The streams that tell history what happened, each with the number of its shard. */
export function outboxStreams(tenants: readonly TenantRef[]): Map<string, number> {
  return new Map(
    tenants.flatMap((tenant) =>
      shardNumbers(tenant).flatMap((shard): [string, number][] => {
        const { events, rejections } = shardKeys(tenant, shard);
        return [
          [events, shard],
          [rejections, shard],
        ];
      }),
    ),
  );
}
