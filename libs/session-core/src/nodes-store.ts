import { DAY_MS } from '#basics';

import { StoreUnavailableError } from './errors.js';
import { futureEpoch } from './future-epoch.js';
import { shardNumbers, tenantKeys, type TenantRef } from './keys.js';
import type { Beat, Contest, Fuse, Heartbeat, NodeCounts, NodePolicy, NodeView } from './model/node.js';
import type { EndedSession } from './model/session.js';
import { NodeDepartures } from './node-departures.js';
import { NodeDrains } from './node-drains.js';
import { NodeRuns } from './node-runs.js';
import { countsOf, listedNodes, viewOf } from './node-view.js';
import { drainRun, type Drain } from './scripts/drain-run.script.js';
import { allowFuse } from './scripts/allow-fuse.script.js';
import { contestNode, heartbeat, wantSnapshot, type BeatReply, type SaidRun } from './scripts/heartbeat.script.js';
import type { NodeRun } from './scripts/node-run.script.js';
import type { ShardContext, StoreClient, TenantContext } from './scripts/script.js';
import { tellFuse } from './scripts/tell-fuse.script.js';
import { eraseNode, silence, watchNodes, type Watch } from './scripts/watch-nodes.script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf, type Tombstones } from './tombstones.js';

export interface NodesStoreOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  tombstoneMs: Tombstones;
  policy: NodePolicy;
  /** OutboxReader once a minute, by whichever process notices, that an older run of a node still speaks. */
  onContested?: ((contest: Contest) => void) | undefined;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

/** A lost node is remembered for as long as its sessions can be restored: the longest tombstone. */
const FORGET_AFTER_MS = DAY_MS;

/** One that held nothing when it was lost is remembered for so many leases: it may be starting again. */
const FORGET_IDLE_AFTER_LEASES = 4;

/** An operator's word holds for so long: time for a node to send two snapshots. */
const ALLOWED_MS = 600_000;

/** Sessions that one call ends: with their commands about a millisecond of Redis. */
const DRAINED_AT_ONCE = 25;

/** Side by side, each under its own deadline. */
const VIEWED_AT_ONCE = 50;

/** A run may change this often while one beat is being told to the shards. */
const BEAT_TRIES = 5;

/** What a beat comes to once the shards know its run. */
type SettledReply = Exclude<BeatReply, { kind: 'enter' }>;

/** A beat, or another call, that the present run of the node refuses. */
type ContestReply = Extract<BeatReply, { kind: 'stale' }>;

/** The nodes of a tenant: which run of each is present, which are lost. See "Time" in docs/architecture.md. */
export class NodesStore {
  readonly departures: NodeDepartures;
  readonly drains: NodeDrains;
  private readonly runs: NodeRuns;

  constructor(private readonly options: NodesStoreOptions) {
    this.runs = new NodeRuns(options);
    this.departures = new NodeDepartures(options, this.runs);
    this.drains = new NodeDrains(options);
  }

  /**
   * A node says that it lives. A run that is new, or returns, is first put into force in every shard; what an older run of the
   * node held is over then.
   *
   * Throws InvalidInputError for an epoch that would begin a run ahead of the clock of Redis, and StoreUnavailableError when Redis
   * gives no answer in time; beating again is always right.
   */
  async beat(tenant: TenantRef, said: Heartbeat): Promise<Beat> {
    const [reply, begun] = await Promise.all([this.say(tenant, said), this.runs.begunOf(tenant, said.node)]);
    const present = reply.kind === 'stale' ? reply.currentEpoch : said.epoch;
    if (begun === null || begun <= present) return await this.answer(tenant, said, reply);
    // A newer run has begun by a session, a moment ago: it is the present one from now on.
    await this.say(tenant, { node: said.node, epoch: begun, via: null, begun: true });
    const again = await this.say(tenant, said);
    const warned = reply.kind === 'stale' && reply.warn;
    return await this.answer(tenant, said, again.kind === 'stale' ? { ...again, warn: again.warn || warned } : again);
  }

  /**
   * A run was refused by a call that is no beat. If an older one than the present it contests the name, which is said once a minute.
   *
   * Never rejects: the call has its answer.
   */
  async refused(tenant: TenantRef, { node, epoch }: { node: string | null; epoch: number | null }): Promise<void> {
    if (node === null || epoch === null) return;
    try {
      const contest = await this.call(async () => await contestNode(this.ofTenant(tenant), node, epoch));
      if (contest !== null) this.warn(tenant, { node, epoch }, contest);
    } catch {
      // Another process, or the next refusal, will say it.
    }
  }

  /**
   * Finds nodes that have not beaten for a lease although they could have; from then on nothing is admitted for them, and
   * `drain` ends what they held. Takes the runs that have begun without a beat from the shards. What a crash left undone, of nodes that were lost,
   * have left or drain, is done.
   *
   * `inboxBehindMs`: how old the events are that are read from the inbox now.
   */
  async watch(tenant: TenantRef, inboxBehindMs: number = 0): Promise<Watch> {
    const { leaseMs, missedBeats, fuseNodes } = this.options.policy;
    const beatMs = leaseMs / missedBeats;
    const silentAfterMs = Math.max(leaseMs - beatMs, 1.2 * beatMs);
    const taken = await Promise.allSettled([
      ...shardNumbers(tenant).map((shard) => this.takeBegun(tenant, shard)),
      this.drains.repair(tenant),
    ]);
    const holders = await this.holders(tenant, Math.min(leaseMs, silentAfterMs));
    const watch = await watchNodes(this.ofTenant(tenant), {
      leaseMs,
      staleAfterMs: leaseMs / 3,
      silentAfterMs,
      fuseNodes,
      inboxBehindMs,
      forgetAfterMs: FORGET_AFTER_MS,
      forgetIdleAfterMs: FORGET_IDLE_AFTER_LEASES * leaseMs,
      holders,
    });
    if (watch.fuse === 'just-tripped') {
      const { live, silent, nowMs } = watch;
      await tellFuse(this.ofShard(tenant, 0), 'nodes', nowMs, { kind: 'nodes', live, silent });
    }
    const told = await Promise.allSettled([
      ...watch.losing.map((run) => this.departures.lose(tenant, run)),
      ...watch.leaving.map((run) => this.departures.close(tenant, run)),
      ...watch.forget.map((run) => this.departures.forget(tenant, run, watch.nowMs)),
    ]);
    for (const outcome of [...taken, ...told]) if (outcome.status === 'rejected') throw outcome.reason;
    return watch;
  }

  /**
   * Forgets a node, whatever it does: its name counts as one that never beat, so that its next epoch may be any. What it held is over,
   * reason `killed`, and is left to `drain`; `by` stands in those endings. A node that lives is known again with its next beat.
   *
   * Returns how many sessions are over, null if nothing was known of it. Repeatable, which is what to do after a failure.
   */
  async forget(tenant: TenantRef, node: string, by: string): Promise<number | null> {
    const erased = await this.call(async () => await eraseNode(this.ofTenant(tenant), node));
    const { known, sessions } = await this.runs.expel(tenant, node, by.replaceAll(':', '_'));
    return erased || known ? sessions : null;
  }

  /** Ends at most `batch` sessions of departed runs in one shard. Not bounded by the decision deadline: it is nobody's request. */
  async drain(tenant: TenantRef, shard: number, batch: number): Promise<Drain> {
    return await drainRun(this.ofShard(tenant, shard), batch, tombstoneOf(this.options, tenant));
  }

  /** Ends all that departed runs hold in one shard, batch by batch, and gives what this caller has ended; a reaper may help meanwhile. */
  async *drained(tenant: TenantRef, shard: number): AsyncGenerator<EndedSession, void> {
    for (let left = 1; left > 0;) {
      const { ended, runsLeft } = await this.call(async () => await this.drain(tenant, shard, DRAINED_AT_ONCE));
      yield* ended;
      left = runsLeft;
    }
  }

  /** The nodes that beat, are lost and not forgotten, or drain, by name: how many are wanted, and at most `limit` of those from `offset` on. */
  async list(
    tenant: TenantRef,
    { offset = 0, limit = 50, isWanted = (_node: string): boolean => true } = {},
  ): Promise<{ nodes: NodeView[]; total: number }> {
    const { client } = this.options;
    const listed = (await this.call(() => listedNodes(client, tenant))).filter(({ node }) => isWanted(node));
    const page = listed.slice(offset, offset + limit);
    const nodes: NodeView[] = [];
    for (let at = 0; at < page.length; at += VIEWED_AT_ONCE) {
      const some = page.slice(at, at + VIEWED_AT_ONCE);
      nodes.push(
        ...(await Promise.all(some.map((one) => this.call(() => viewOf({ client, runs: this.runs }, tenant, one))))),
      );
    }
    return { nodes, total: listed.length };
  }

  /** How many sessions a node holds by the books, of all its runs. */
  async held(tenant: TenantRef, node: string): Promise<number> {
    const [held] = await this.runs.held(tenant, [node]);
    return (held?.watched ?? 0) + (held?.unwatched ?? 0);
  }

  /** How many nodes are live, lost and not forgotten, or drain, and of how many an older run spoke within the last minute. */
  async counts(tenant: TenantRef): Promise<NodeCounts> {
    return await this.call(() => countsOf(this.options.client, tenant));
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

  /** A run beats or has begun: the tenant knows it, and so does every shard. */
  private async say(tenant: TenantRef, said: SaidRun): Promise<SettledReply> {
    const { snapshotIntervalMs } = this.options.policy;
    let entered: number | null = null;
    for (let attempt = 0; attempt < BEAT_TRIES; attempt++) {
      const reply: BeatReply = await this.call(
        async () => await heartbeat(this.ofTenant(tenant), said, { entered, snapshotIntervalMs }),
      );
      const settled = reply.kind === 'beat' && (!reply.snapshotWanted || entered === reply.change);
      if (settled || (reply.kind !== 'enter' && reply.kind !== 'beat')) return reply;
      // Now and then the shards are told again: one of them may have forgotten, or know what the tenant has forgotten.
      const inForce = await this.runs.enter(tenant, { ...said, change: reply.change });
      if (inForce.left && inForce.epoch === said.epoch) return { kind: 'stale', currentEpoch: said.epoch, warn: false };
      if (inForce.epoch > said.epoch) {
        // A newer run that has only admitted yet becomes known to the tenant: it is watched, and refuses this one.
        await this.say(tenant, { node: said.node, epoch: inForce.epoch, via: null, begun: true });
        entered = null;
      } else {
        entered = inForce.change;
      }
    }
    throw new StoreUnavailableError(`Node ${said.node} changed too often while it beat`);
  }

  /** What a beat came to, for who sent it. */
  private async answer(tenant: TenantRef, said: Heartbeat, reply: SettledReply): Promise<Beat> {
    if (reply.kind === 'stale') {
      this.warn(tenant, said, reply);
      return { kind: 'stale', currentEpoch: reply.currentEpoch };
    }
    if (reply.kind !== 'future') return reply;
    if (!(await this.runs.isKnown(tenant, said.node, said.epoch))) throw futureEpoch(said.epoch, reply.nowMs);
    return await this.beatOfKnown(tenant, said);
  }

  /** A run that a shard has on its books goes on, whatever the clock says. */
  private async beatOfKnown(tenant: TenantRef, said: Heartbeat): Promise<Beat> {
    const reply = await this.say(tenant, { ...said, begun: true });
    if (reply.kind !== 'future') return reply;
    throw new StoreUnavailableError(`Node ${said.node} was forgotten while it beat`);
  }

  private warn({ name }: TenantRef, said: Pick<NodeRun, 'node' | 'epoch'>, contest: Omit<ContestReply, 'kind'>): void {
    const { node, epoch } = said;
    const { currentEpoch, warn } = contest;
    if (warn) this.options.onContested?.({ tenant: name, node, epoch, currentEpoch });
  }

  /** Runs that began with a session of theirs become known to the tenant, as if they had beaten then. */
  private async takeBegun(tenant: TenantRef, shard: number): Promise<void> {
    await this.runs.note(tenant, shard);
    for (const run of await this.runs.begun(tenant, shard)) {
      const { node, epoch, atMs } = run;
      const reply = await this.say(tenant, { node, epoch, via: null, atMs, begun: true });
      if (reply.kind === 'stale') this.warn(tenant, run, reply);
      await this.runs.took(tenant, shard, run);
    }
  }

  /** The nodes that hold sessions, null where nobody is silent. Where a shard cannot say it, all that beat. */
  private async holders(tenant: TenantRef, silentAfterMs: number): Promise<string[] | null> {
    const beating = await silence(this.ofTenant(tenant), silentAfterMs);
    if (beating === null) return null;
    try {
      const held = await this.runs.held(tenant, beating);
      return beating.filter((_, i) => (held[i]?.watched ?? 0) > 0);
    } catch {
      return beating;
    }
  }

  private ofTenant({ name }: TenantRef): TenantContext {
    return { client: this.options.client, tenant: name, clockMs: this.options.clockMs };
  }

  private ofShard(tenant: TenantRef, shard: number): ShardContext {
    return { ...this.ofTenant(tenant), shards: tenant.shards, shard };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}
