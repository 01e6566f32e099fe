import { crc32 } from 'node:zlib';

import type { BooksIdentity } from './model/identity/index.js';
import { shardTag } from './shard-tags.js';

/** A tenant and into how many shards its users are spread; the number is fixed when the tenant is created. */
export interface TenantRef {
  name: string;
  shards: number;
  /** How the names of its users are read; absent: by the default rules. Books that are kept by other ones refuse to be changed. */
  identity?: BooksIdentity | undefined;
}

/** The shards of a tenant, by number. */
export function shardNumbers({ shards }: TenantRef): number[] {
  return Array.from({ length: shards }, (_, shard) => shard);
}

/**
 * The shard that owns a user: all of a user's sessions live there, so a user limit is exact in one script.
 * CRC-32 because it is in Node itself, is the same on every machine, and spreads names evenly enough.
 */
export function shardOf(tenant: TenantRef, user: string): number {
  return tenant.shards === 1 ? 0 : crc32(user) % tenant.shards;
}

/**
 * Escapes a user, id, node or group name for use in a key. `prelude.lua` has the same rule: change both together.
 * Plain names and most Call-IDs stay readable; everything else becomes percent-encoded UTF-8 bytes.
 */
export function escapeKeyPart(name: string): string {
  if (!/[^A-Za-z0-9._~@:+-]/.test(name)) return name;
  return Array.from(Buffer.from(name), (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9._~@:+-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

/**
 * Every key of one shard. All carry its tag, hence one Redis Cluster slot: a decision is one script. Throws RangeError for a shard that
 * the tenant does not have.
 *
 * "Ends" says how the key goes away. Nothing here is a counter that decides: membership is the truth.
 */
export function shardKeys(tenant: TenantRef, shard: number) {
  const prefix = `berth:{${shardTag(tenant.name, tenant.shards, shard)}}:`;
  return {
    prefix,
    /**
     * string, written by admit, withdraw, confirm, authenticate, transfer, claim, close-offer, end, sweep. The packed record of a session; after the end, its tombstone.
     * A tombstone keeps at most 300 bytes beside id and user, unless the ending was provisional.
     * Ends: the tombstone expires (60 s if its node reported the end, at most 24 h if Berth decided it).
     */
    session: (id: string) => `${prefix}session:${escapeKeyPart(id)}`,
    /** hash, written by renew and admit. Traffic totals and the last activity where no deadline tells it. Ends: with its session. */
    traffic: (id: string) => `${prefix}traffic:${escapeKeyPart(id)}`,
    /**
     * hash, written by renew, end and admit. Traffic totals of an attempt that has not started yet, or of no attempt in particular: activity and
     * an end may overtake their start. Or, with `started`, of an attempt that a later one has overtaken. Ends: its start takes it into
     * `traffic`; in any case expires after 60 s, or a tombstone's time.
     */
    early: (id: string, attempt?: number) => `${prefix}early:${escapeKeyPart(id)}:${attempt ?? ''}`,
    /** zset id -> start (ms), written by admit and every ending. The live sessions of a user. Ends: when empty. */
    userSessions: (user: string) => `${prefix}user_sessions:${escapeKeyPart(user)}`,
    /** zset id -> start (ms), written by admit and every ending. The live sessions of a group. Ends: when empty. */
    groupSessions: (group: string) => `${prefix}group_sessions:${escapeKeyPart(group)}`,
    /** set of ids, written by admit and every ending. The live sessions of one run of a node. Ends: when empty. */
    nodeSessions: (node: string, epoch: number) => `${prefix}node_sessions:${escapeKeyPart(node)}:${epoch}`,
    /**
     * zset epoch -> epoch, its negative where it came ahead of the clock, written by admit, transfer, claim and note-runs. The runs that hold
     * sessions of a node that has not beaten. Ends: its members with their last session; when empty.
     */
    nodeRuns: (node: string) => `${prefix}node_runs:${escapeKeyPart(node)}`,
    /** zset id -> due (ms, +inf without a deadline), written by every verb. All live sessions of the shard. Ends: when empty. */
    deadlines: `${prefix}deadlines`,
    /** zset user -> number of live sessions, rewritten from the set's size; for lists, never to decide. Ends: when empty. */
    users: `${prefix}users`,
    /** zset group -> number of live sessions, rewritten from the set's size; for lists, never to decide. Ends: when empty. */
    groups: `${prefix}groups`,
    /**
     * zset id -> start (ms), written by admit, upkeep and every ending, where a full total ends the oldest. All live sessions, oldest first.
     * Ends: when empty, or with upkeep once the total does not end the oldest any more.
     */
    started: `${prefix}started`,
    /** zset admission -> when (ms), written by admit and withdraw. The admissions of an address, as `rateAddress` has it, in the last hour. Ends: expires after an hour. */
    ipRate: (address: string) => `${prefix}rates:ip:${address}`,
    /** string, written by admit and withdraw. Until when (ms) the calls of a user so far are paid for (GCRA). Ends: expires by then. */
    userRate: (user: string) => `${prefix}rates:user:${escapeKeyPart(user)}`,
    /** string, the same for a group. */
    groupRate: (group: string) => `${prefix}rates:group:${escapeKeyPart(group)}`,
    /** hash minute -> sessions created in it, and `alerted`; for the alert, never to decide. Ends: upkeep drops minutes; 2 h after the last. */
    creations: `${prefix}creations`,
    /** hash user and limit (JSON) -> second, refusals beyond the first, limits. Ends: its fields with upkeep, a second later. */
    refusals: `${prefix}refusals`,
    /** hash session -> totals that were reported after its end and are not yet in the outbox (JSON), written by renew and end. Ends: its fields with upkeep, a second later; the key 24 h after the last. */
    late: `${prefix}late`,
    /**
     * hash, written by set-limits, by close-shard, which takes the version away, and by renew, which says until when published activity may wait
     * for its start. The limits in force here, with their version, whose field is named by the identity rules of the process that gave them. Ends: never.
     */
    limits: `${prefix}limits`,
    /**
     * string, written by close-shard. Format and identity rules of the books here, as `1` or `1:keep:drop`: who has others gives no limits and
     * takes no names to this shard. Absent until the rules change. Ends: never.
     */
    rules: `${prefix}rules`,
    /** hash, filled by set-limits in chunks and renamed to `limits`; with the mark of the caller's rules behind it. Ends: by that, or after a minute. */
    limitsNext: (version: number) => `${prefix}limits_next:${version}`,
    /**
     * hash node -> its run as this shard knows it: `<epoch>`, `<epoch> <change>`, or with ` lost` or ` left` behind it. Written by enter-node,
     * lose-node, close-run, and the first session of a newer run; before anything of the old run ends. Only names that have beaten. Ends: with
     * forget-node.
     */
    nodes: `${prefix}nodes`,
    /**
     * hash node -> `<epoch> <since (ms)>`, written with `nodes` by whatever begins a run but its beat. Runs that the tenant may not know.
     * Ends: its fields with took-run, within a second or so while a reaper runs.
     */
    begun: `${prefix}begun`,
    /** set of nodes, written by `NodeDrains` and by close-run and expel-node. Those that take no new sessions. Ends: its members when that is taken back, or the node leaves or is forgotten. */
    draining: `${prefix}draining`,
    /**
     * zset `<reason>:<node>:<epoch>`, or `<reason>=<by>:…` with the key or person that had it end -> since (ms). Nodes of which runs are
     * over, this one the newest of them, and whose sessions are still to be ended. Ends: when empty.
     */
    departed: `${prefix}departed`,
    /**
     * set of `<node>:<epoch>` as `nodeSessions` has them, written by admit, adopt, transfer, claim and audit. The runs that hold sessions, so that their sets
     * are found when the records are gone. Ends: its members with audit, when their run holds nothing.
     */
    runs: `${prefix}runs`,
    /** hash, written by audit. Where its pass over this shard is, and what it has found. Ends: never. */
    audit: `${prefix}audit`,
    /**
     * zset id -> since when (ms), written by audit. Ids without a record of which another index may say more; they end with the next
     * pass. Ends: when empty.
     */
    strays: `${prefix}strays`,
    /**
     * zset id -> when a complete list of this run first lacked it (ms), written by the verbs of snapshots. Ends: its members when
     * they are listed, dropped or ended otherwise; the key a day after the last addition.
     */
    missing: (node: string, epoch: number) => `${prefix}missing:${escapeKeyPart(node)}:${epoch}`,
    /**
     * set of ids, written by adopt and drop-missing. What a node's list with this mark has, and what came of it. `listed` has ''
     * as a member for as long as it is whole. Ends: when the list has been worked on; in any case expires after 20 min.
     */
    snapshot: (kind: SnapshotSet, node: string, epoch: number, mark: number) =>
      `${prefix}snapshot_${kind}:${escapeKeyPart(node)}:${epoch}:${mark}`,
    /**
     * hash, written by pulse, upkeep and note-runs. When the shard was last seen up, until when nothing idle is ended, and how far books of
     * another release have been brought up to date. Ends: never.
     */
    pulse: `${prefix}pulse`,
    /**
     * hash session id -> command (JSON), written by the endings that Berth decides. What a node must still do.
     * Ends: its fields when the node ends the session itself or acknowledges; the key when the node leaves, or 24 h after its last command.
     */
    commands: (node: string) => `${prefix}commands:${escapeKeyPart(node)}`,
    /** zset node -> when its latest command was given (ms). The nodes that have commands. Ends: when empty. */
    commanded: `${prefix}commanded`,
    /**
     * hash session id -> offer (JSON), written by offer and close-offer. Live sessions that are on their way to another shard of the
     * tenant. Ends: its fields when the handover is done or has come to nothing.
     */
    offers: `${prefix}offers`,
    /** zset session id -> when the reaper takes the handover over (ms), written with `offers`. Ends: when empty. */
    offersDue: `${prefix}offers_due`,
    /**
     * zset `<claimed|declined>:<shard>:<token>:<id>` -> when (ms), written by claim. What this shard answered to handovers from other
     * shards. Ends: its members minutes after the handover was done, with the reaper.
     */
    claims: `${prefix}claims`,
    /**
     * Never written. Passed to every script, so that a slot that is on the move between masters refuses the script as a whole
     * (TRYAGAIN: one of its keys is missing): else a script could find some keys here, some there, and write into both. Its name ends with the
     * identity rules of the caller (`rulesMark`), for the scripts that take names of users.
     * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#multi-key-operations
     */
    never: `${prefix}never`,
    /** stream, the outbox: every admission and ending. Ends: never; trimmed at `EVENTS_BOUND`. */
    events: `${prefix}events`,
    /** stream of refusals. Ends: never; trimmed at `REJECTIONS_BOUND`. */
    rejections: `${prefix}rejections`,
  };
}

/** What a shard keeps aside of a node's list: the ids that were listed, and those of them of which something came. */
export type SnapshotSet = 'listed' | 'adopted' | 'restored' | 'elsewhere' | 'hang_up' | 'dropped';

export type ShardKeys = ReturnType<typeof shardKeys>;

/** Keys of a whole tenant, in a slot of their own. */
export function tenantKeys(tenant: string) {
  const prefix = `berth:{${tenant}}:`;
  return {
    prefix,
    /**
     * hash of `shards`, `created_at` (ms), `format`, `case`, `domain`, written by register-tenant, and `rekey` (JSON) while the identity rules
     * change, written by begin-rekey and finish-rekey. What the tenant was created with, and how its books are kept. Ends: never.
     */
    registration: `${prefix}tenant`,
    /** string, written by lease. The run that changes the identity rules of the tenant. Ends: expires within seconds. */
    rekeyLease: `${prefix}rekey_lease`,
    /** hash of version and document (JSON), written by set-limits-document. The limits of the tenant. Ends: never. */
    limitsDocument: `${prefix}limits`,
    /** zset node -> when it beat last (ms), written by heartbeat and watch-nodes. The live nodes. Ends: when empty. */
    heartbeats: `${prefix}heartbeats`,
    /**
     * zset node -> since when it is lost (ms), written by watch-nodes and heartbeat; as of most of a day earlier where it held nothing.
     * Ends: settle-node, a day later.
     */
    lostNodes: `${prefix}lost_nodes`,
    /**
     * zset node -> since when it has left (ms), 0 while not every shard knows; written by leave-node and settle-node. So that what is late of it
     * does not bring it back. Ends: settle-node, a day later, or when it beats with a larger epoch.
     */
    leftNodes: `${prefix}left_nodes`,
    /** set of nodes, written by `NodeDrains`, leave-node and erase-node. What operators want; the shards have what their decisions read. Ends: as those of the shards. */
    draining: `${prefix}draining`,
    /** hash node -> `<epoch> <change>`, written by watch-nodes. Lost nodes that not every shard knows of. Ends: settle-node. */
    losing: `${prefix}losing`,
    /** zset node -> when an older run of it last spoke (ms), written by heartbeat and contest-node. Ends: watch-nodes, a minute later. */
    contested: `${prefix}contested`,
    /** hash, written by heartbeat, leave-node, watch-nodes and snapshot verbs. What is known of a node as a whole. Ends: settle-node, when the node is forgotten. */
    node: (node: string) => `${prefix}node:${escapeKeyPart(node)}`,
    /** hash, written by watch-nodes and open-tenant. When beats could arrive and were looked at, and the grace. Ends: never. */
    watch: `${prefix}watch`,
    /** hash fuse -> what tripped it (JSON), and `allowed:<fuse>` -> until when it is overruled (ms). Ends: fields when mended. */
    fuses: `${prefix}fuses`,
    /**
     * hash, written by the verbs of snapshots. The newest list of a node: which parts have come, how far the work on it is, what
     * came of it. Ends: expires 10 min after its first part, so before what the shards have kept of it.
     */
    snapshot: (node: string) => `${prefix}snapshot:${escapeKeyPart(node)}`,
    /** string, written by lease. The reaper that delivers a node's commands to its webhook. Ends: expires within seconds. */
    commandsLease: (node: string) => `${prefix}commands_lease:${escapeKeyPart(node)}`,
    /** Never written; see that of a shard. */
    never: `${prefix}never`,
  };
}

/** Servers publish into any of so many streams; each has a slot of its own. */
export const INBOX_STREAMS = 4;

/** What servers publish instead of calling. */
export const inboxKeys = {
  /** stream, written by servers. Their events, of all tenants. Ends: never; trimmed behind the reapers. */
  events: (number: number) => `berth:{inbox/${number}}:events`,
  /**
   * stream, written by the reapers and the projector. Events of one tenant that can not be applied, with the reason. Ends: never; bounded, each
   * by itself, so that no tenant's letters hide or drive out another's.
   */
  deadLetters: (tenant: string) => `berth:{inbox/0}:dead_letters${tenant === 'default' ? '' : `:${tenant}`}`,
  /** The consumer group of the reapers. */
  group: 'reaper',
};

/** What writes history, one process at a time. */
export const historyKeys = {
  /** The consumer group of the projector, at the outbox and the refusals of every shard. */
  group: 'history',
  /** string, written by lease. The process that projects. Ends: expires within seconds. */
  lease: 'berth:{history}:projector',
};

/** What audits the books, one process at a time, of all tenants: so it takes its share of Redis once. */
export const auditKeys = {
  /** string, written by lease. The process that audits. Ends: expires within seconds. */
  lease: 'berth:{audit}:lease',
};

/** A caller that makes up sources could make up millions. Two that share a key slow each other's wrong keys, and nothing else. */
const ATTEMPTS_KEYS = 65_536;

/**
 * string, written by note-attempt. How many wrong keys came from this source of late; each has a hash tag of its own. Ends: expires within a
 * minute of the last one.
 */
export function attemptsKey(source: string): string {
  return `berth:{attempts/${crc32(source) % ATTEMPTS_KEYS}}`;
}

/** BullMQ's keys: one slot for all queues, ends as BullMQ ends them (jobs are removed when done). */
export const QUEUE_PREFIX = '{berth}';
