import { crc32 } from 'node:zlib';

/** A tenant and into how many shards its users are spread; the number is fixed when the tenant is created. */
export interface TenantRef {
  name: string;
  shards: number;
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
 * Every key of one shard. All carry the tag `{tenant/shard}`, hence one Redis Cluster slot: a decision is one script.
 *
 * "Ends" says how the key goes away. Nothing here is a counter that decides: membership is the truth.
 */
export function shardKeys(tenant: string, shard: number) {
  const prefix = `berth:{${tenant}/${shard}}:`;
  return {
    prefix,
    /**
     * string, written by admit, withdraw, confirm, end, sweep. The packed record of a session; after the end, its tombstone.
     * Ends: the tombstone expires (60 s if its node reported the end, at most 24 h if Berth decided it).
     */
    session: (id: string) => `${prefix}session:${escapeKeyPart(id)}`,
    /** hash, written by renew. Traffic totals and the last activity where no deadline tells it. Ends: with its session. */
    traffic: (id: string) => `${prefix}traffic:${escapeKeyPart(id)}`,
    /** zset id -> start (ms), written by admit and every ending. The live sessions of a user. Ends: when empty. */
    userSessions: (user: string) => `${prefix}user_sessions:${escapeKeyPart(user)}`,
    /** zset id -> start (ms), written by admit and every ending. The live sessions of a group. Ends: when empty. */
    groupSessions: (group: string) => `${prefix}group_sessions:${escapeKeyPart(group)}`,
    /** set of ids, written by admit and every ending. The live sessions of one run of a node. Ends: when empty. */
    nodeSessions: (node: string, epoch: number) => `${prefix}node_sessions:${escapeKeyPart(node)}:${epoch}`,
    /** zset id -> due (ms, +inf without a deadline), written by every verb. All live sessions of the shard. Ends: when empty. */
    deadlines: `${prefix}deadlines`,
    /** zset user -> number of live sessions, rewritten from the set's size; for lists, never to decide. Ends: when empty. */
    users: `${prefix}users`,
    /** hash, written by set-limits alone. The limits in force here, with their version. Ends: never. */
    limits: `${prefix}limits`,
    /** hash, filled by set-limits in chunks and renamed to `limits`. Ends: by that, or after a minute. */
    limitsNext: (version: number) => `${prefix}limits_next:${version}`,
    /**
     * hash node -> its run as this shard knows it: `<epoch>`, `<epoch> <change>` or `<epoch> <change> lost`. Written by enter-node,
     * lose-node, and the first admission of a newer run; before anything of the old run ends. Ends: with forget-node.
     */
    nodes: `${prefix}nodes`,
    /** zset `<reason>:<node>:<epoch>` -> since (ms). Runs that are over and whose sessions are still to be ended. Ends: when empty. */
    departed: `${prefix}departed`,
    /** hash, written by pulse. When the shard was last seen up, and until when nothing idle is ended. Ends: never. */
    pulse: `${prefix}pulse`,
    /**
     * hash session id -> command (JSON), written by the endings that Berth decides. What a node must still do.
     * Ends: its fields when the node ends the session itself or acknowledges; the key 24 h after its last command.
     */
    commands: (node: string) => `${prefix}commands:${escapeKeyPart(node)}`,
    /** zset node -> when its latest command was given (ms). The nodes that have commands. Ends: when empty. */
    commanded: `${prefix}commanded`,
    /**
     * Never written. Passed to every script, so that a slot that is on the move between masters refuses the script as a whole
     * (TRYAGAIN: one of its keys is missing): else a script could find some keys here, some there, and write into both.
     * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#multi-key-operations
     */
    never: `${prefix}never`,
    /** stream, the outbox: every admission and ending. Ends: never; trimmed at `EVENTS_BOUND`. */
    events: `${prefix}events`,
    /** stream of refusals. Ends: never; trimmed at `REJECTIONS_BOUND`. */
    rejections: `${prefix}rejections`,
  };
}

export type ShardKeys = ReturnType<typeof shardKeys>;

/** Keys of a whole tenant, in a slot of their own. */
export function tenantKeys(tenant: string) {
  return {
    /** hash of version and document (JSON), written by set-limits-document. The limits of the tenant. Ends: never. */
    limitsDocument: `berth:{${tenant}}:limits`,
  };
}

/** BullMQ's keys: one slot for all queues, ends as BullMQ ends them (jobs are removed when done). */
export const QUEUE_PREFIX = '{berth}';

/**
 * Names for later pieces, kept free here so that nothing else takes them:
 * `tally`, `rates:<…>`, `quota:<limit>` in a shard; `pool:<limit>`, heartbeats and dead letters of a
 * tenant; `berth:{inbox/k}:events`.
 */
export const RESERVED_KEY_NAMES = ['tally', 'rates', 'quota', 'pool'] as const;
