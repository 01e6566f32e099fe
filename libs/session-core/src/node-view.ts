import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import type { NodeCounts, NodeView } from './model/node.js';
import type { NodeRuns } from './node-runs.js';
import type { StoreClient } from './scripts/script.js';

/** A node as the tenant and all its shards know it. `lastBeatMs`: null for one that is lost. */
export async function viewOf(
  { client, runs }: { client: StoreClient; runs: NodeRuns },
  tenant: TenantRef,
  node: string,
  lastBeatMs: number | null,
): Promise<NodeView> {
  const known = await client.hgetall(tenantKeys(tenant.name).node(node));
  const epoch = Number(known['epoch'] ?? 0);
  const shards = shardNumbers(tenant).map((shard) => shardKeys(tenant, shard));
  const [[held], commands] = await Promise.all([
    runs.held(tenant, [node]),
    Promise.all(shards.map((keys) => client.hlen(keys.commands(node)))),
  ]);
  return {
    node,
    epoch,
    state: known['state'] === 'lost' ? 'lost' : 'live',
    sinceMs: Number(known['since'] ?? 0),
    lastBeatMs,
    via: known['via'] === 'inbox' ? 'inbox' : 'http',
    claimedSessions: known['active'] ? Number(known['active']) : null,
    sessions: (held?.watched ?? 0) + (held?.unwatched ?? 0),
    pendingCommands: commands.reduce((total, count) => total + count, 0),
    lastSnapshotMs: known['snapshot_at'] ? Number(known['snapshot_at']) : null,
  };
}

/** How many nodes are live, how many lost and not forgotten, and of how many an older run spoke within the last minute. */
export async function countsOf(client: StoreClient, { name }: TenantRef): Promise<NodeCounts> {
  const { heartbeats, lostNodes, contested: contestedNodes } = tenantKeys(name);
  const sizes = [heartbeats, lostNodes, contestedNodes].map((key) => client.zcard(key));
  const [live = 0, lost = 0, contested = 0] = await Promise.all(sizes);
  return { live, lost, contested };
}
