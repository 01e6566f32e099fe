import type { LimitState } from './limit.js';
import type { NodeDraining, Rejected, SessionOutcome, StaleEpoch, Victim } from './decision.js';
import type { Session } from './session.js';

/** Who takes a live session over. What is absent stays as it was. */
export interface TransferTarget {
  node: string;
  /** Null where it is not given: the run that beats, or none where the node never beat. */
  epoch: number | null;
  /** In canonical form. */
  user?: string | undefined;
  /** The id that the new node gave it. */
  newId?: string | undefined;
}

/** The session is as it was asked for. */
export interface Transferred {
  kind: 'live';
  session: Session;
  /** False if it was so before, and nothing was changed. */
  changed: boolean;
  /** Of the user who got the session; empty where the user stayed. */
  limits: LimitState[];
  terminated: Victim[];
}

/**
 * What became of a handover. `id-conflict`: authenticated as somebody else. `new-id-taken`, `new-id-ended`: the new id belongs to another
 * session. `rejected`, `stale-epoch`, `node-draining` and these change nothing.
 */
export type TransferOutcome =
  | Transferred
  | Exclude<SessionOutcome, { kind: 'live' }>
  | Rejected
  | StaleEpoch
  | NodeDraining
  | { kind: 'id-conflict' | 'new-id-taken' | 'new-id-ended' };
