import type { RedisCluster, RedisNode } from './redis-cluster.js';

/** A slot half-way between two masters: some of its keys are here, some there, until `finish`. */
export interface SlotMigration {
  readonly slot: number;
  readonly from: RedisNode;
  readonly to: RedisNode;
  /** Moves up to `count` keys (all by default); returns how many went. */
  moveKeys(count?: number): Promise<number>;
  /** Moves what is left and hands the slot over; every node knows it afterwards. */
  finish(): Promise<void>;
}

const BATCH = 100;

/** Opens the migration of a slot to another master, as a resharding does, and leaves it open. */
export async function migrateSlot(cluster: RedisCluster, slot: number, to: RedisNode): Promise<SlotMigration> {
  const from = await cluster.masterOf(slot);
  if (from === to) throw new Error(`Slot ${slot} is at that node already`);
  await to.redis.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await from.redis.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);

  async function moveKeys(count = Infinity): Promise<number> {
    let moved = 0;
    while (moved < count) {
      const keys = await from.redis.cluster('GETKEYSINSLOT', slot, Math.min(BATCH, count - moved));
      if (keys.length === 0) break;
      await from.redis.call('MIGRATE', to.server.host, to.server.port, '', 0, 5_000, 'KEYS', ...keys);
      moved += keys.length;
    }
    return moved;
  }

  return {
    slot,
    from,
    to,
    moveKeys,
    async finish() {
      await moveKeys();
      // The new owner first: a slot that nobody owned would be lost if this stopped half-way.
      for (const node of [to, from]) await node.redis.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
      await cluster.settled();
    },
  };
}
