import { StoreUnavailableError } from './errors.js';
import { shardKeys, shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import type { Beat, Fuse, Heartbeat, NodePolicy, NodeView } from './model/node.js';
import { drainRun, type Drain } from './scripts/drain-run.script.js';
import { allowFuse } from './scripts/allow-fuse.script.js';
import { heartbeat, wantSnapshot } from './scripts/heartbeat.script.js';
import { enterNode, forgetNode, loseNode, type NodeRun } from './scripts/node-run.script.js';
import type { ShardContext, StoreClient, TenantContext } from './scripts/script.js';
import { tellFuse } from './scripts/tell-fuse.script.js';
import { renumberLoss, settleForgotten, settleLoss, watchNodes, type Watch } from './scripts/watch-nodes.script.js';
import { withDeadline } from './store-call.js';

export interface NodesStoreOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  tombstoneMs: number;
  policy: NodePolicy;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** A lost node is remembered for as long as its sessions can be restored: the longest tombstone. */
const FORGET_AFTER_MS = 86_400_000;

/** An operator's word holds for so long: time for a node to send two snapshots. */
const ALLOWED_MS = 600_000;

/** Under one deadline. */
const VIEWED_AT_ONCE = 50;

/** What is in force of a node. */
type NodeChange = Pick<NodeRun, 'epoch' | 'change'>;

/** A run may change this often while one beat is being told to the shards. */
const BEAT_TRIES = 5;

/** The nodes of a tenant: which run of each is present, which are lost. See "Time" in docs/architecture.md. */
export class NodesStore {
  constructor(private readonly options: NodesStoreOptions) {}

  /**
   * A node says that it lives. A run that is new, or returns, is first put into force in every shard; what an older run of the
   * node held is over then.
   *
   * Throws StoreUnavailableError when Redis gives no answer in time; beating again is always right.
   */
  async beat(tenant: TenantRef, said: Heartbeat): Promise<Beat> {
    const { snapshotIntervalMs } = this.options.policy;
    let entered: number | null = null;
    for (let attempt = 0; attempt < BEAT_TRIES; attempt++) {
      const reply = await this.call(
        async () => await heartbeat(this.ofTenant(tenant), said, { entered, snapshotIntervalMs }),
      );
      const settled = reply.kind === 'beat' && (!reply.snapshotWanted || entered === reply.change);
      if (reply.kind === 'stale' || reply.kind === 'late' || settled) return reply;
      // Now and then the shards are told again: one of them may have forgotten, or know what the tenant has forgotten.
      const inForce = await this.enter(tenant, { ...said, change: reply.change });
      if (inForce.epoch > said.epoch) {
        await this.learn(tenant, said, inForce);
        return { kind: 'stale', currentEpoch: inForce.epoch };
      }
      entered = inForce.change;
    }
    throw new StoreUnavailableError(`Node ${said.node} changed too often while it beat`);
  }

  /** A newer run that has only admitted yet becomes known to the tenant: it is watched, refuses older beats, and is forgotten in time. */
  private async learn(tenant: TenantRef, said: Heartbeat, { epoch, change }: NodeChange): Promise<void> {
    const { snapshotIntervalMs } = this.options.policy;
    const newer = { node: said.node, epoch, via: said.via };
    const entered = (await this.enter(tenant, { ...newer, change })).change;
    await this.call(async () => await heartbeat(this.ofTenant(tenant), newer, { entered, snapshotIntervalMs }));
  }

  /**
   * Finds nodes that have not beaten for a lease although they could have; from then on nothing is admitted for them, and
   * `drain` ends what they held. What a crash left half-told is told again.
   *
   * `inboxBehindMs`: how old the events are that are read from the inbox now.
   */
  async watch(tenant: TenantRef, inboxBehindMs: number = 0): Promise<Watch> {
    const { leaseMs, missedBeats, fuseNodes } = this.options.policy;
    const beatMs = leaseMs / missedBeats;
    const watch = await watchNodes(this.ofTenant(tenant), {
      leaseMs,
      staleAfterMs: leaseMs / 3,
      silentAfterMs: Math.max(leaseMs - beatMs, 1.2 * beatMs),
      fuseNodes,
      inboxBehindMs,
      forgetAfterMs: FORGET_AFTER_MS,
    });
    if (watch.fuse === 'just-tripped') {
      const { live, silent, nowMs } = watch;
      await tellFuse(this.ofShard(tenant, 0), 'nodes', nowMs, { kind: 'nodes', live, silent });
    }
    const told = await Promise.allSettled([
      ...watch.losing.map((run) => this.lose(tenant, run)),
      ...watch.forget.map((run) => this.forget(tenant, run, watch.nowMs)),
    ]);
    for (const outcome of told) if (outcome.status === 'rejected') throw outcome.reason;
    return watch;
  }

  /** Ends at most `batch` sessions of departed runs in one shard. Not bounded by the decision deadline: it is nobody's request. */
  async drain(tenant: TenantRef, shard: number, batch: number): Promise<Drain> {
    return await drainRun(this.ofShard(tenant, shard), batch, this.options.tombstoneMs);
  }

  /** The nodes that beat, or are lost and not forgotten, by name: how many, and at most `limit` of them from `offset` on. */
  async list(tenant: TenantRef, { offset = 0, limit = 50 } = {}): Promise<{ nodes: NodeView[]; total: number }> {
    const { client } = this.options;
    const keys = tenantKeys(tenant.name);
    const [beats, lost] = await this.call(
      async () =>
        await Promise.all([
          client.zrange(keys.heartbeats, '0', '-1', 'WITHSCORES'),
          client.zrange(keys.lostNodes, '0', '-1'),
        ]),
    );
    const lastBeats = new Map(pairs(beats).map(([node, at]) => [node, Number(at)]));
    const names = [...new Set([...lastBeats.keys(), ...lost])].toSorted();
    const nodes: NodeView[] = [];
    for (let at = offset; at < Math.min(offset + limit, names.length); at += VIEWED_AT_ONCE) {
      const some = names.slice(at, Math.min(at + VIEWED_AT_ONCE, offset + limit));
      const views = async () =>
        await Promise.all(some.map((node) => this.view(tenant, node, lastBeats.get(node) ?? null)));
      nodes.push(...(await this.call(views)));
    }
    return { nodes, total: names.length };
  }

  /** How many nodes are live, and how many lost and not forgotten. */
  async counts(tenant: TenantRef): Promise<Record<NodeView['state'], number>> {
    const { client } = this.options;
    const keys = tenantKeys(tenant.name);
    return await this.call(async () => {
      const [live, lost] = await Promise.all([client.zcard(keys.heartbeats), client.zcard(keys.lostNodes)]);
      return { live, lost };
    });
  }

  /** The fuses that have tripped and not been mended. */
  async fuses(tenant: TenantRef): Promise<Fuse[]> {
    const fields = await this.call(async () => await this.options.client.hgetall(tenantKeys(tenant.name).fuses));
    return Object.entries(fields).flatMap(([id, details]) => {
      if (id.startsWith('allowed:')) return [];
      const allowed = fields[`allowed:${id}`];
      return [{ id, ...(JSON.parse(details) as object), allowedUntil: allowed ? Number(allowed) : null } as Fuse];
    });
  }

  /** The next beat of this node asks it for a snapshot, because something of it came too late. Without effect if it never beats. */
  async askForSnapshot(tenant: TenantRef, node: string): Promise<void> {
    await this.call(async () => await wantSnapshot(this.ofTenant(tenant), node));
  }

  /** Lets what this fuse has stopped go on for a while. Returns false if no such fuse has tripped. */
  async allow(tenant: TenantRef, fuse: string): Promise<boolean> {
    return await this.call(async () => await allowFuse(this.ofTenant(tenant), fuse, ALLOWED_MS));
  }

  private async view(tenant: TenantRef, node: string, lastBeatMs: number | null): Promise<NodeView> {
    const { client } = this.options;
    const known = await client.hgetall(tenantKeys(tenant.name).node(node));
    const epoch = Number(known['epoch'] ?? 0);
    const shards = shardNumbers(tenant).map((shard) => shardKeys(tenant, shard));
    const [sessions, commands] = await Promise.all([
      Promise.all(shards.map((keys) => client.scard(keys.nodeSessions(node, epoch)))),
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
      sessions: sum(sessions),
      pendingCommands: sum(commands),
      lastSnapshotMs: known['snapshot_at'] ? Number(known['snapshot_at']) : null,
    };
  }

  /** Tells every shard that a run is in force, with a number that is larger than any that they know. Returns what is in force then. */
  private async enter(tenant: TenantRef, run: NodeRun): Promise<NodeChange> {
    let { change } = run;
    for (let attempt = 0; attempt < BEAT_TRIES; attempt++) {
      const wanted = { ...run, change };
      const inForce = await Promise.all(
        this.shards(tenant).map((shard) => this.call(async () => await enterNode(shard, wanted, shard.shard === 0))),
      );
      const epoch = Math.max(...inForce.map((known) => known.epoch));
      const ofRun = inForce.filter((known) => known.epoch === epoch);
      const needed = Math.max(...ofRun.map((known) => (known.lost ? known.change + 1 : known.change)));
      if (epoch > run.epoch || needed <= change) return { epoch, change: needed };
      change = needed;
    }
    throw new StoreUnavailableError(`The run of node ${run.node} changed too often while it was put into force`);
  }

  private async lose(tenant: TenantRef, run: NodeRun): Promise<void> {
    const inForce = await settledAll(this.shards(tenant).map((shard) => loseNode(shard, run, shard.shard === 0)));
    const alive = inForce.filter((known) => known.epoch === run.epoch && !known.lost).map(({ change }) => change);
    if (alive.length > 0) await renumberLoss(this.ofTenant(tenant), run, Math.max(...alive) + 1);
    else await settleLoss(this.ofTenant(tenant), run);
  }

  /** What cannot be forgotten yet is looked at again a day later, and stands in nobody's way until then. */
  private async forget(tenant: TenantRef, run: Pick<NodeRun, 'node' | 'epoch'>, nowMs: number): Promise<void> {
    const outcomes = await settledAll(this.shards(tenant).map((shard) => forgetNode(shard, run)));
    if (outcomes.every((outcome) => outcome === 'forgotten')) await settleForgotten(this.ofTenant(tenant), run);
    else await this.options.client.zadd(tenantKeys(tenant.name).lostNodes, 'XX', nowMs, run.node);
  }

  private ofTenant({ name }: TenantRef): TenantContext {
    return { client: this.options.client, tenant: name, clockMs: this.options.clockMs };
  }

  private ofShard(tenant: TenantRef, shard: number): ShardContext {
    return { ...this.ofTenant(tenant), shards: tenant.shards, shard };
  }

  private shards(tenant: TenantRef): ShardContext[] {
    return shardNumbers(tenant).map((shard) => this.ofShard(tenant, shard));
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

/** All answers, once every call has ended; the first failure if one failed. */
async function settledAll<T>(calls: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(calls);
  return await Promise.all(calls);
}

function pairs(flat: string[]): [string, string][] {
  return flat.flatMap((value, at): [string, string][] => (at % 2 === 0 ? [[value, flat[at + 1] ?? '']] : []));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
