import { tenantKeys, type TenantRef } from './keys.js';
import type { BooksIdentity } from './model/identity/index.js';
import { registerTenant, type TenantOpening } from './scripts/register-tenant.script.js';
import type { StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

export interface TenantsStoreOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** What is registered of a tenant. */
export interface Registration {
  shards: number;
  createdAtMs: number;
  /** Null where the books are from before formats and rules were registered. */
  format: string | null;
  identity: BooksIdentity | null;
  /** The rules that the books are being changed to, and since when; null where nobody began to. */
  rekey: (BooksIdentity & { sinceMs: number }) | null;
  /** Whether a run that changes them is at work. */
  rekeying: boolean;
}

/** Which tenants there are, each with the number of shards that it was created with and the identity rules of its books. */
export class TenantsStore {
  constructor(private readonly options: TenantsStoreOptions) {}

  /**
   * Creates the tenant if nobody has. A caller that is configured otherwise, or does not know the format of its books, must not touch them:
   * the sessions would be looked for under other keys.
   *
   * Throws StoreUnavailableError when Redis gives no answer in time; opening again is always right.
   */
  async open({ name, ...tenant }: TenantRef): Promise<TenantOpening> {
    const { client, deadlineMs, clockMs } = this.options;
    return await withDeadline(deadlineMs, async () => await registerTenant({ client, tenant: name, clockMs }, tenant));
  }

  /** What is registered of a tenant; null if nobody has created it. Throws StoreUnavailableError when Redis gives no answer in time. */
  async registration(name: string): Promise<Registration | null> {
    const { client, deadlineMs } = this.options;
    const { registration, rekeyLease } = tenantKeys(name);
    return await withDeadline(deadlineMs, async () => {
      const [known, holder] = await Promise.all([client.hgetall(registration), client.get(rekeyLease)]);
      const { shards, created_at: createdAt, format = null, case: letters, domain, rekey } = known;
      if (shards === undefined) return null;
      const target = rekey === undefined ? null : (JSON.parse(rekey) as BooksIdentity & { at: string });
      return {
        shards: Number(shards),
        createdAtMs: Number(createdAt ?? 0),
        format,
        identity: letters === undefined ? null : ({ case: letters, domain } as BooksIdentity),
        rekey: target && { case: target.case, domain: target.domain, sinceMs: Number(target.at) },
        rekeying: holder !== null,
      };
    });
  }
}
