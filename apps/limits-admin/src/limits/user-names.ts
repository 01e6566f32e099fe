import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { Books, userOfCalls, type EffectiveLimits, type LimitKey } from '#session-core';

import { Tenants } from '../tenants.service.js';
import { own } from './layer.js';
import type { SettingsChange } from './layer-edits.js';
import { LimitsService } from './limits.service.js';

export interface NamedUser {
  tenant: TenantConfig;
  username: string;
  /** What the caller should know of the name. */
  warnings: string[];
}

/** Which user a call about limits means. */
@Injectable()
export class UserNames {
  constructor(
    private readonly tenants: Tenants,
    private readonly limits: LimitsService,
    private readonly books: Books,
  ) {}

  /**
   * Where domains do not count, the limit of a name with a domain would concern no call: it is that of the name without, with a warning, unless a user
   * is known by the whole name (as servers give one outright) because it has sessions or a limit. Throws InvalidInputError for what names nobody.
   */
  async meant(tenant: TenantConfig, written: string): Promise<NamedUser> {
    const whole = this.tenants.user(tenant, written);
    const username = userOfCalls(whole, tenant.identity);
    if (username === null || (await this.isKnown(tenant, whole))) return { tenant, username: whole, warnings: [] };
    const warning =
      `username: domains do not count here (identity.domain: drop), so ${whole} is user ${username}; ` +
      'a user that is given outright with the domain is reached by /limits/- with the username';
    return { tenant, username, warnings: [warning] };
  }

  /** These settings with the users whom the names of limits mean. */
  async settings(
    tenant: TenantConfig,
    written: SettingsChange,
  ): Promise<{ change: SettingsChange; warnings: string[] }> {
    const { observe, reserves, ...rest } = this.tenants.settings(tenant, written);
    const warnings = new Set<string>();
    const meant = async (key: LimitKey): Promise<LimitKey> => {
      if (!key.startsWith('user:')) return key;
      const user = await this.meant(tenant, key.slice('user:'.length));
      for (const warning of user.warnings) warnings.add(warning);
      return `user:${user.username}`;
    };
    const reserved = Object.entries(reserves ?? {}).map(async ([key, of]) => [await meant(key), of] as const);
    const change = {
      ...rest,
      ...(observe !== undefined && { observe: await Promise.all(observe.map(meant)) }),
      ...(reserves !== undefined && { reserves: Object.fromEntries(await Promise.all(reserved)) }),
    };
    return { change, warnings: [...warnings] };
  }

  /** The user of exactly this name, whatever path or domain it looks like. Throws InvalidInputError for what names nobody. */
  exact(tenant: TenantConfig, written: string): NamedUser {
    return { tenant, username: this.tenants.user(tenant, written), warnings: [] };
  }

  private async isKnown(tenant: TenantConfig, user: string): Promise<boolean> {
    const { limits } = await this.limits.current(tenant);
    return hasLimit(limits, user) || (await this.books.countOfUser(tenant, user)) > 0;
  }
}

function hasLimit({ users, userClasses, details }: EffectiveLimits, user: string): boolean {
  return [own(users, user), own(userClasses, user), own(details, `user:${user}`)].some(
    (setting) => setting !== undefined,
  );
}
