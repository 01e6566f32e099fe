/** A tenant was created with another number of shards than this process is configured with. The message is for the operator. */
export class ShardsMismatchError extends Error {
  constructor(tenant: string, created: { shards: number; createdAtMs: number }, configured: number) {
    const since = new Date(created.createdAtMs).toISOString();
    super(
      `Tenant ${tenant} was created with shards: ${created.shards} (at ${since}), the configuration says ${configured}. ` +
        'The number is fixed, resharding is not supported: ' +
        `set tenants.${tenant}.shards back to ${created.shards}, or give the tenant a new name`,
    );
    this.name = new.target.name;
  }
}
