import { shardNumbers, type CommandsStore, type TenantRef } from '#session-core';

/** Redis may have another clock after a failover, and two commands may be given in one millisecond. */
const OVERLAP_MS = 1_000;

interface Sighting {
  atMs: number;
  /** A command may be given in the millisecond in which its node was looked at, so that each sighting counts twice. */
  looks: number;
}

/** Finds out which nodes of a tenant were given commands, without holding a connection for it. */
export class CommandWatch {
  private readonly shards: Shard[];

  constructor(tenant: TenantRef, store: CommandsStore) {
    this.shards = shardNumbers(tenant).map(
      (shard) => new Shard((sinceMs) => store.commandedSince(tenant, shard, sinceMs)),
    );
  }

  /** The nodes that were given something since this was asked last, some of them twice. Shards that do not answer are left for the next time. */
  async look(): Promise<string[]> {
    const found = await Promise.allSettled(this.shards.map((shard) => shard.look()));
    return found.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  }
}

class Shard {
  private latestMs = 0;
  private seen = new Map<string, Sighting>();

  constructor(private readonly since: (ms: number) => ReturnType<CommandsStore['commandedSince']>) {}

  async look(): Promise<string[]> {
    const commanded = await this.since(Math.max(0, this.latestMs - OVERLAP_MS));
    this.seen = new Map(
      commanded.map(({ node, atMs }) => {
        const known = this.seen.get(node);
        return [node, { atMs, looks: known?.atMs === atMs ? known.looks + 1 : 1 }];
      }),
    );
    this.latestMs = commanded.at(-1)?.atMs ?? this.latestMs;
    return [...this.seen].flatMap(([node, { looks }]) => (looks <= 2 ? [node] : []));
  }
}
