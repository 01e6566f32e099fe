import { hostname } from 'node:os';

import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, type Logger, type Principal, type TenantConfig } from '#service-kit';
import { effectiveLimits, limitOf, LimitsStore, type LimitsDocument, type LimitsLayer } from '#session-core';

/**
 * The limits of a tenant, as operators change them. What a method here has changed holds for the next decision of every
 * gateway when it returns, and survives restarts: it is kept in Redis, above what the file says.
 */
@Injectable()
export class LimitsService {
  private readonly publisher = `limits-admin ${hostname()}`;
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: LimitsStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** The document in force. Where nobody has published a file yet, that of this process is published first. */
  async document(tenant: TenantConfig): Promise<LimitsDocument> {
    const document = await this.store.read(tenant);
    if (document.publishedBy !== null) return document;
    await this.store.publishFile(tenant, tenant.limits, this.publisher);
    return await this.store.read(tenant);
  }

  /** Sets what `said` says; what it leaves out stays as it is. */
  async change(tenant: TenantConfig, said: LimitsLayer, by: Principal): Promise<void> {
    await this.edit(tenant, (api) => ({ ...api, ...definedOnly(said) }), by, { said: definedOnly(said) });
  }

  /** The tenant's own settings are those of the file again. Limits of single users stay; each has a call of its own. */
  async reset(tenant: TenantConfig, by: Principal): Promise<void> {
    await this.edit(tenant, ({ users }) => definedOnly({ users }), by, { said: 'as the file says' });
  }

  /** The limit of one user; 0 is unlimited. */
  async ofUser(tenant: TenantConfig, user: string): Promise<number> {
    return limitOf(effectiveLimits(await this.document(tenant)), user);
  }

  async setUser(tenant: TenantConfig, user: string, limit: number, by: Principal): Promise<void> {
    await this.edit(tenant, (api) => ({ ...api, users: { ...api.users, [user]: limit } }), by, { user, limit });
  }

  /** The file's limit of this user holds again, else the default. Returns which one that is. */
  async unsetUser(tenant: TenantConfig, user: string, by: Principal): Promise<number> {
    const without = ({ users = {}, ...rest }: LimitsLayer): LimitsLayer => {
      const kept = Object.entries(users).filter(([name]) => name !== user);
      return kept.length === 0 ? rest : { ...rest, users: Object.fromEntries(kept) };
    };
    const before = await this.document(tenant);
    if (!Object.hasOwn(before.api.users ?? {}, user)) return limitOf(effectiveLimits(before), user);
    const document = await this.edit(tenant, without, by, { user, limit: null });
    return limitOf(effectiveLimits(document), user);
  }

  private async edit(
    tenant: TenantConfig,
    edit: (api: LimitsLayer) => LimitsLayer,
    by: Principal,
    what: Record<string, unknown>,
  ): Promise<LimitsDocument> {
    const document = await this.inTurn(tenant, async () => {
      // A change on top of nothing would hide the file until a gateway starts again.
      await this.document(tenant);
      return await this.store.change(tenant, edit);
    });
    this.logger.info({ tenant: tenant.name, by: by.id, version: document.version, ...what }, 'Limits changed');
    return document;
  }

  /** One change after the other: those of one process, say of an import of users, must not lose races to each other. */
  private async inTurn<T>(tenant: TenantConfig, change: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(tenant.name) ?? Promise.resolve()).then(change, change);
    this.turns.set(tenant.name, turn);
    return await turn;
  }
}

function definedOnly(layer: LimitsLayer): LimitsLayer {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}
