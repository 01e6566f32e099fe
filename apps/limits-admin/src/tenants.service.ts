import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, type BerthConfig, type Principal, type TenantConfig } from '#service-kit';
import { canonicalUser, InvalidInputError } from '#session-core';

/** The tenants of the configuration, and how each of them reads the names of its users. */
@Injectable()
export class Tenants {
  constructor(@Inject(CONFIG) private readonly config: BerthConfig) {}

  /** The tenant for which somebody calls. */
  of({ tenant }: Principal): TenantConfig {
    const found = this.config.tenants[tenant];
    if (found === undefined) throw new Error(`Tenant ${tenant} passed authentication but is not configured`);
    return found;
  }

  all(): TenantConfig[] {
    return Object.values(this.config.tenants);
  }

  /** A user written in a path or a query, in canonical form. Throws InvalidInputError for what names nobody. */
  user(tenant: TenantConfig, written: string, field = 'username'): string {
    const canonical = canonicalUser(written, tenant.identity);
    if (!canonical.ok) throw new InvalidInputError(field, canonical.message);
    return canonical.user;
  }
}
