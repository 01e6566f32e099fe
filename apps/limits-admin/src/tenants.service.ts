import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig, TenantConfig } from '#config';
import { CONFIG, ProblemException, TenantRegistryService, type Principal } from '#service-kit';
import { canonicalUser, InvalidInputError, type LimitKey } from '#session-core';

import type { SettingsChange } from './limits/layer-edits.js';

/** The tenants of the configuration, and how each of them reads the names of its users. */
@Injectable()
export class Tenants {
  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    private readonly registry: TenantRegistryService,
  ) {}

  /** The tenant for which somebody calls. Throws StoreUnavailableError while it is not opened. */
  of({ tenant }: Principal): TenantConfig {
    const found = this.config.tenants[tenant];
    if (found === undefined) throw new Error(`Tenant ${tenant} passed authentication but is not configured`);
    this.registry.assertOpen(tenant);
    return found;
  }

  all(): TenantConfig[] {
    return Object.values(this.config.tenants);
  }

  /** Those that the caller may see: with keys the one of its key, without keys all. */
  visibleTo(caller: Principal): TenantConfig[] {
    return this.config.auth.keys.length > 0 ? [this.of(caller)] : this.all();
  }

  /** Throws `forbidden` for a tenant that the caller's key does not speak for, whether or not it exists, and `not-found` for none. */
  visible(caller: Principal, name: string): TenantConfig {
    const found = this.visibleTo(caller).find((tenant) => tenant.name === name);
    if (found !== undefined) {
      this.registry.assertOpen(name);
      return found;
    }
    if (this.config.auth.keys.length === 0)
      throw new ProblemException('not-found', 'No tenant of this name is configured');
    throw new ProblemException('forbidden', `This key speaks for the tenant ${caller.tenant}`);
  }

  /** A user written in a path or a query, in canonical form. Throws InvalidInputError for what names nobody. */
  user(tenant: TenantConfig, written: string, field = 'username'): string {
    const canonical = canonicalUser(written, tenant.identity);
    if (!canonical.ok) throw new InvalidInputError(field, canonical.message);
    return canonical.user;
  }

  /** Users by name as a body has them, in canonical form. Two spellings of one user must say the same. */
  users<T>(tenant: TenantConfig, written: Record<string, T>, field: string): Record<string, T> {
    const found = new Map<string, T>();
    for (const [name, value] of Object.entries(written)) {
      const user = this.user(tenant, name, `${field}.${name}`);
      if (found.has(user) && found.get(user) !== value) {
        throw new InvalidInputError(`${field}.${name}`, `must say the same as the other spelling of user ${user}`);
      }
      found.set(user, value);
    }
    return Object.fromEntries(found);
  }

  /** These settings with the users in names of limits in canonical form. */
  settings(tenant: TenantConfig, change: SettingsChange): SettingsChange {
    const { observe, reserves, ...rest } = change;
    return {
      ...rest,
      ...(observe !== undefined && { observe: observe.map((key, i) => this.limitKey(tenant, key, `observe[${i}]`)) }),
      ...(reserves !== undefined && {
        reserves: Object.fromEntries(
          Object.entries(reserves).map(([key, reserve]) => [this.limitKey(tenant, key, `reserves.${key}`), reserve]),
        ),
      }),
    };
  }

  private limitKey(tenant: TenantConfig, key: LimitKey, field: string): LimitKey {
    return key.startsWith('user:') ? `user:${this.user(tenant, key.slice('user:'.length), field)}` : key;
  }
}
