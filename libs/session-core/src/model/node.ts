/** How nodes are watched. Durations are milliseconds. */
export interface NodePolicy {
  /** A node that did not beat for so long, while it could have, is lost. */
  leaseMs: number;
  /** It beats so many times in a lease. */
  missedBeats: number;
  /** How often a snapshot is wanted; 0 for never. */
  snapshotIntervalMs: number;
  /** A pass that would end or hang up more than this share of a node's sessions stops, from 0 to 1 … */
  fuseShare: number;
  /** … unless it is at most so many sessions. */
  fuseSessions: number;
  /** When more than this share of the nodes would be lost together, none is. */
  fuseNodes: number;
  /** What becomes of a session that its node still holds and that has no room any more. */
  onReturn: 'over_admit' | 'hang_up';
}

/** By which way a node's beats come. */
export type BeatPath = 'http' | 'inbox';

export interface Heartbeat {
  node: string;
  /** An integer that is larger at each start of the node, and not ahead of the clock of Redis. */
  epoch: number;
  /** Live sessions by the node's own count, where it says so. */
  activeSessions?: number | undefined;
  via: BeatPath;
  /** When the node said so, milliseconds of the Redis clock; absent: now. */
  atMs?: number | undefined;
}

/** `late`: the node was lost since, so this changes nothing. `mark`: the present time of Redis, milliseconds; what started before it can be missing from a list made after it. */
export type Beat =
  { kind: 'beat'; mark: number; snapshotWanted: boolean } | { kind: 'stale'; currentEpoch: number } | { kind: 'late' };

/** What came of a node's word that it leaves. `stale`: a newer run of it is present, and stays. */
export type Leave = { kind: 'left' } | { kind: 'stale'; currentEpoch: number };

/** Two processes speak for one node: the present run is `currentEpoch`, an older one was refused. */
export interface Contest {
  tenant: string;
  node: string;
  epoch: number;
  currentEpoch: number;
}

/** Nodes of a tenant by state; `contested`: an older run of the node spoke within the last minute; `draining`: it takes no new sessions. */
export type NodeCounts = Record<'live' | 'lost' | 'contested' | 'draining', number>;

/** What tripped a fuse: a pass that stopped before it ended too many. */
export type Fuse =
  | { id: 'nodes'; kind: 'nodes'; silent: number; live: number; since: number; allowedUntil: number | null }
  | {
      id: string;
      kind: 'snapshot';
      node: string;
      epoch: number;
      wouldEnd: number;
      wouldHangUp: number;
      held: number;
      since: number;
      allowedUntil: number | null;
    };

/** A node as the tenant knows it. Of one that is `unwatched` (it has not beaten, and is listed because it drains) no run is known. */
export interface NodeView {
  node: string;
  epoch: number | null;
  state: 'live' | 'lost' | 'unwatched';
  /** It takes no new sessions. */
  draining: boolean;
  sinceMs: number | null;
  lastBeatMs: number | null;
  via: BeatPath | null;
  /** By the node's own count, with its last beat. */
  claimedSessions: number | null;
  /** By the books, of all its runs. */
  sessions: number;
  pendingCommands: number;
  lastSnapshotMs: number | null;
}
