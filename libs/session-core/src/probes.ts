import { Cluster, type Redis } from 'ioredis';
import type { TenantRef } from './keys.js';
import { probe } from './scripts/probe.script.js';
import { allShardScripts, allTenantScripts, type StoreClient } from './scripts/script.js';
import { withDeadline } from './store-call.js';

export interface ProbesOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
}

/** Finds out whether shards could take admissions, and puts in place what the first ones would wait for. */
export class Probes {
  constructor(private readonly options: ProbesOptions) {}

  /** Rejects, with StoreUnavailableError where that is what it is, when an admission in this shard would fail now. */
  async probe({ name, shards }: TenantRef, shard: number): Promise<void> {
    const { client, deadlineMs } = this.options;
    await withDeadline(deadlineMs, async () => await probe({ client, tenant: name, shards, shard }));
  }

  /** Loads the scripts that a master does not know, on each. Without it the first call of each would carry its text. */
  async loadScripts(): Promise<void> {
    const { client } = this.options;
    const masters = client instanceof Cluster ? client.nodes('master') : [client];
    await Promise.all(masters.map((master) => this.loadInto(master)));
  }

  private async loadInto(master: Redis): Promise<void> {
    const scripts = [...allShardScripts().values(), ...allTenantScripts().values()];
    const { deadlineMs } = this.options;
    const known = await withDeadline(
      deadlineMs,
      async () => await master.script('EXISTS', ...scripts.map((one) => one.sha)),
    );
    for (const [i, { source }] of scripts.entries()) {
      if ((known as number[])[i] === 1) continue;
      // One after the other: compiling all of them at once would hold Redis for too long.
      await withDeadline(deadlineMs, async () => await master.script('LOAD', source));
    }
  }
}
