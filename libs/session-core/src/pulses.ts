import { shardNumbers, type TenantRef } from './keys.js';
import { pulse } from './scripts/pulse.script.js';
import type { StoreClient } from './scripts/script.js';
import { openTenant } from './scripts/watch-nodes.script.js';

export interface PulsesOptions {
  client: StoreClient;
  /** How long nothing that is due by silence ends after an outage, milliseconds. */
  graceMs: number;
  /** Silence longer than this was an outage, milliseconds. */
  staleAfterMs: number;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
  /** A clock that never jumps, milliseconds; set in tests. */
  steadyMs?: (() => number) | undefined;
}

/**
 * Says again and again that the shards are up. Who says it finds out when they were not, or when the clock of Redis jumped: then
 * nobody could renew, and what is due by silence gets a grace instead of its end.
 */
export class Pulses {
  /** By shard: the clock of Redis and the steady one at this process's last pulse. */
  private readonly last = new Map<string, { nowMs: number; steadyMs: number }>();

  constructor(private readonly options: PulsesOptions) {}

  /** Says it for every shard. Returns the longest gap that was found, milliseconds, 0 for none. Rejects where a shard is away. */
  async beat(tenant: TenantRef): Promise<number> {
    const gaps = await Promise.all(shardNumbers(tenant).map((shard) => this.beatShard(tenant, shard)));
    return Math.max(...gaps);
  }

  /** Says that beats of nodes can arrive; for those who take them. Returns for how long none could, milliseconds, 0 for no gap. */
  async open({ name }: TenantRef): Promise<number> {
    const { client, clockMs, graceMs, staleAfterMs } = this.options;
    return await openTenant({ client, tenant: name, clockMs }, { graceMs, staleAfterMs });
  }

  private steadyMs(): number {
    return this.options.steadyMs?.() ?? performance.now();
  }

  private async beatShard({ name, shards }: TenantRef, shard: number): Promise<number> {
    const { client, clockMs, graceMs, staleAfterMs } = this.options;
    const key = `${name}/${shard}`;
    const known = this.last.get(key);
    const last = known === undefined ? null : { nowMs: known.nowMs, agoMs: this.steadyMs() - known.steadyMs };
    const { nowMs, gapMs } = await pulse(
      { client, tenant: name, shards, shard, clockMs },
      { graceMs, staleAfterMs, last },
    );
    this.last.set(key, { nowMs, steadyMs: this.steadyMs() });
    return gapMs;
  }
}
