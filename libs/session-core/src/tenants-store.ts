import type { TenantRef } from './keys.js';
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

/** Which tenants there are, each with the number of shards that it was created with. */
export class TenantsStore {
  constructor(private readonly options: TenantsStoreOptions) {}

  /**
   * Creates the tenant if nobody has. Whoever opens it with another number of shards is told `mismatch`, and must not touch its books: he
   * would look for its sessions under other keys.
   *
   * Throws StoreUnavailableError when Redis gives no answer in time; opening again is always right.
   */
  async open({ name, shards }: TenantRef): Promise<TenantOpening> {
    const { client, deadlineMs, clockMs } = this.options;
    return await withDeadline(deadlineMs, async () => await registerTenant({ client, tenant: name, clockMs }, shards));
  }
}
