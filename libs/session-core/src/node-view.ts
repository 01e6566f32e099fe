import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import type { NodeCounts, NodeView } from './model/node.js';
import { pairs, type NodeRuns } from './node-runs.js';
import type { StoreClient } from './scripts/script.js';

/** A node that is to be listed. `lastBeatMs`: null for one that does not beat. */
export interface ListedNode {
  node: string;
  lastBeatMs: number | null;
  draining: boolean;
}

/** The nodes that beat, are lost and not forgotten, or drain, by name. */
export async function listedNodes(client: StoreClient, { name }: TenantRef): Promise<ListedNode[]> {
  const keys = tenantKeys(name);
  const [beats, lost, drains] = await Promise.all([
    client.zrange(keys.heartbeats, '0', '-1', 'WITHSCORES'),
    client.zrange(keys.lostNodes, '0', '-1'),
    client.smembers(keys.draining),
  ]);
  const lastBeats = new Map(pairs(beats).map(([node, at]) => [node, Number(at)]));
  const draining = new Set(drains);
  return [...new Set([...lastBeats.keys(), ...lost, ...drains])]
    .toSorted()
    .map((node) => ({ node, lastBeatMs: lastBeats.get(node) ?? null, draining: draining.has(node) }));
}

/** A node as the tenant and all its shards know it. */
export async function viewOf(
  { client, runs }: { client: StoreClient; runs: NodeRuns },
  tenant: TenantRef,
  { node, lastBeatMs, draining }: ListedNode,
): Promise<NodeView> {
  const known = await client.hgetall(tenantKeys(tenant.name).node(node));
  const shards = shardNumbers(tenant).map((shard) => shardKeys(tenant, shard));
  const [[held], commands] = await Promise.all([
    runs.held(tenant, [node]),
    Promise.all(shards.map((keys) => client.hlen(keys.commands(node)))),
  ]);
  const holds = {
    node,
    draining,
    lastBeatMs,
    claimedSessions: known['active'] ? Number(known['active']) : null,
    sessions: (held?.watched ?? 0) + (held?.unwatched ?? 0),
    pendingCommands: commands.reduce((total, count) => total + count, 0),
    lastSnapshotMs: known['snapshot_at'] ? Number(known['snapshot_at']) : null,
  };
  const lost = known['state'] === 'lost';
  if (lastBeatMs === null && !lost) return { ...holds, state: 'unwatched', epoch: null, sinceMs: null, via: null };
  return {
    ...holds,
    state: lost ? 'lost' : 'live',
    epoch: Number(known['epoch'] ?? 0),
    sinceMs: Number(known['since'] ?? 0),
    via: known['via'] === 'inbox' ? 'inbox' : 'http',
  };
}

/** How many nodes are live, lost and not forgotten, or drain, and of how many an older run spoke within the last minute. */
export async function countsOf(client: StoreClient, { name }: TenantRef): Promise<NodeCounts> {
  const keys = tenantKeys(name);
  const [live, lost, contested, draining] = await Promise.all([
    client.zcard(keys.heartbeats),
    client.zcard(keys.lostNodes),
    client.zcard(keys.contested),
    client.scard(keys.draining),
  ]);
  return { live, lost, contested, draining };
}
