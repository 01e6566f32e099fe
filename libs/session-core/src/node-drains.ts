import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import type { StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

export interface NodeDrainsOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
}

/**
 * Which nodes take no new sessions. It is a matter of the name, whatever run has it, and ends when it is taken back, or when the node leaves or is
 * forgotten. The tenant's set is what operators want, each shard's set what its decisions read in their own step.
 */
export class NodeDrains {
  constructor(private readonly options: NodeDrainsOptions) {}

  /**
   * From now on no decision admits a session for the node, or one does again. Repeatable; of any name, also one that is not known.
   *
   * Throws StoreUnavailableError when Redis gives no answer in time; the next watch brings what has begun to its end.
   */
  async set(tenant: TenantRef, node: string, draining: boolean): Promise<void> {
    await this.write(tenantKeys(tenant.name).draining, [node], draining);
    await Promise.all(this.shards(tenant).map(async (key) => await this.write(key, [node], draining)));
  }

  /**
   * Brings shards that a crash left behind up to date. They are read before the tenant is, so that a change of that moment is not taken back.
   */
  async repair(tenant: TenantRef): Promise<void> {
    const keys = this.shards(tenant);
    const known = await Promise.all(keys.map(async (key) => await this.read(key)));
    const wanted = new Set(await this.read(tenantKeys(tenant.name).draining));
    await Promise.all(
      keys.map(async (key, i) => {
        const here = new Set(known[i]);
        await this.write(
          key,
          [...wanted].filter((node) => !here.has(node)),
          true,
        );
        await this.write(
          key,
          [...here].filter((node) => !wanted.has(node)),
          false,
        );
      }),
    );
  }

  private async write(key: string, nodes: string[], draining: boolean): Promise<void> {
    if (nodes.length === 0) return;
    const { client } = this.options;
    await this.call(async () => await (draining ? client.sadd(key, ...nodes) : client.srem(key, ...nodes)));
  }

  private async read(key: string): Promise<string[]> {
    return await this.call(async () => await this.options.client.smembers(key));
  }

  private shards(tenant: TenantRef): string[] {
    return shardNumbers(tenant).map((shard) => shardKeys(tenant, shard).draining);
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}
