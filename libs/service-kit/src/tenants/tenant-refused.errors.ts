import { BOOKS_FORMAT, identityText, type BooksIdentity } from '#session-core';

/** A tenant is not what this process is configured for, or knows. The message is for the operator. */
export abstract class TenantRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** A tenant was created with another number of shards than this process is configured with. */
export class ShardsMismatchError extends TenantRefusedError {
  constructor(tenant: string, created: { shards: number; createdAtMs: number }, configured: number) {
    const since = new Date(created.createdAtMs).toISOString();
    super(
      `Tenant ${tenant} was created with shards: ${created.shards} (at ${since}), the configuration says ${configured}. ` +
        'The number is fixed, resharding is not supported: ' +
        `set tenants.${tenant}.shards back to ${created.shards}, or give the tenant a new name`,
    );
  }
}

/** The sessions and limits of a tenant are kept under names that other identity rules give. */
export class IdentityMismatchError extends TenantRefusedError {
  constructor(tenant: string, registered: BooksIdentity, configured: BooksIdentity) {
    super(
      `Tenant ${tenant} is registered with the identity rules ${identityText(registered)}, the configuration says ` +
        `${identityText(configured)}. Its sessions and limits would not be found under other names: ` +
        `set identity back to ${identityText(registered)}, or stop here and change the books with: npm run tenant -- rekey ${tenant}`,
    );
  }
}

/** The identity rules of a tenant are being changed, to others than this process is configured with. */
export class RekeyMismatchError extends TenantRefusedError {
  constructor(tenant: string, target: BooksIdentity, configured: BooksIdentity) {
    super(
      `Tenant ${tenant} is being changed to the identity rules ${identityText(target)}, the configuration says ` +
        `${identityText(configured)}: set identity to ${identityText(target)}; a change that was interrupted is finished by: ` +
        `npm run tenant -- rekey ${tenant}`,
    );
  }
}

/** The books of a tenant were written by a release that writes them in another way. */
export class BooksFormatError extends TenantRefusedError {
  constructor(tenant: string, format: string) {
    super(
      `The books of tenant ${tenant} have format ${format}, this release knows format ${BOOKS_FORMAT}: ` +
        'run the release that wrote them, or a later one',
    );
  }
}
