import type { SessionState } from './session.js';

/** So many sessions in one part of a list, so many parts in one list. */
export const MAX_PART_SESSIONS = 1_000;
export const MAX_PARTS = 1_000;

/** A session as its node holds it. */
export interface SnapshotEntry {
  id: string;
  /** Absent: whichever the books have. */
  attempt?: number | undefined;
  /** In canonical form; empty for a session whose user is not known yet. With several shards it says where the session is. */
  user: string;
  groups?: string[] | undefined;
  /** By the node's own clock, milliseconds; believed only where the books know nothing, and never later than the present. */
  startedAtMs: number;
  state?: SessionState | undefined;
}

/**
 * A part of the list of all sessions that a run of a node holds. Parts come in any order, any number of times, by any way.
 * `mark` is the time of Redis that the node was given before it began the list.
 */
export interface SnapshotPart {
  node: string;
  epoch: number;
  mark: number;
  /** From 1 to `parts`. */
  part: number;
  parts: number;
  sessions: SnapshotEntry[];
  /** The node says that it holds no session at all; only so is an empty list evidence. */
  none?: boolean | undefined;
}

/** What came of a complete list. */
export interface CompleteSnapshot {
  kind: 'complete';
  /** Sessions that the books did not know. */
  adopted: number;
  /** Sessions that had ended provisionally. */
  restored: number;
  /** Sessions that two lists have lacked: they have ended. */
  dropped: number;
  /** Listed sessions that live with another node or run: left as they were. */
  elsewhere: number;
  /** Listed sessions that are over, or have no room: the node has to end them. */
  hangUp: string[];
  /** The fuse that kept this list from ending and hanging up anything; null if none did. */
  suspended: string | null;
}

/**
 * What became of a part.
 *
 * `part`: taken; others are awaited, or another caller works on the complete list (sending it again tells what came of it).
 * `stale-epoch`: this is not the node's present run, or it is lost; it has to beat first. Null where the node never beat.
 * `stale-mark`: older than the last complete list, or later than now. `empty`: complete without a session, though the node does
 * not say that it holds none: no evidence, nothing was done.
 */
export type SnapshotOutcome =
  | { kind: 'part' }
  | CompleteSnapshot
  | { kind: 'stale-epoch'; currentEpoch: number | null }
  | { kind: 'stale-mark' }
  | { kind: 'empty' };

/** How far the newest list of a node has come. */
export interface SnapshotProgress {
  epoch: number;
  mark: number;
  parts: number;
  arrived: number;
  state: 'collecting' | 'comparing' | 'done';
  /** While it is worked on: sessions looked at or ended, of how many. */
  phase: SnapshotPhase | null;
  done: number;
  of: number;
}

/** `compare` looks for what is not listed, `drop` ends what was missing twice. */
export type SnapshotPhase = 'compare' | 'drop';
