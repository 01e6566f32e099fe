import { Cluster } from 'ioredis';
import { shardKeys, shardNumbers, type TenantRef } from './keys.js';
import { audit, type AuditOptions, type AuditPiece } from './scripts/audit.script.js';
import type { StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

export interface AuditsOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** The audit of the books: whether indices and records say the same, and what is mended where they do not. */
export class Audits {
  constructor(private readonly options: AuditsOptions) {}

  /** How many servers share the work. */
  get masters(): number {
    const { client } = this.options;
    return client instanceof Cluster ? Math.max(1, client.nodes('master').length) : 1;
  }

  /** Goes on with the audit of one shard where it stopped, for one piece. Throws StoreUnavailableError; then the piece is done again. */
  async piece({ name, shards, identity }: TenantRef, shard: number, piece: AuditOptions): Promise<AuditPiece> {
    const { client, deadlineMs, clockMs } = this.options;
    return await withDeadline(deadlineMs, () =>
      audit({ client, tenant: name, shards, shard, identity, clockMs }, piece),
    );
  }

  /** What the last whole pass over each shard of a tenant found, together with what the one under way has found so far. */
  async drift(tenant: TenantRef): Promise<number> {
    const { client, deadlineMs } = this.options;
    const found = await Promise.all(
      shardNumbers(tenant).map((shard) =>
        withDeadline(deadlineMs, () =>
          client.hmget(shardKeys(tenant, shard).audit, 'drift', 'place', 'ended', 'restored', 'removed', 'recounted'),
        ),
      ),
    );
    return found.reduce((sum, [drift, place, ...soFar]) => sum + driftOf(drift, place === null ? [] : soFar), 0);
  }
}

function driftOf(last: string | null | undefined, soFar: (string | null)[]): number {
  return [last, ...soFar].reduce((sum, count) => sum + Number(count ?? 0), 0);
}
