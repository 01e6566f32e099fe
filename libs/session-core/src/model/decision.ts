import type { LimitState } from './limit.js';
import type {
  EndedSession,
  Priority,
  Session,
  SessionFacts,
  SessionPolicy,
  SessionState,
  UnreadableSession,
} from './session.js';

/** May this session start? Everything in it has been validated and brought to canonical form. */
export interface AdmissionRequest {
  sessionId: string;
  attempt: number;
  /** In canonical form; empty for a session whose user is not known yet, which counts in the total only. */
  user: string;
  /** As its server says; a class that the tenant has given the user wins. */
  userClass?: string | null;
  node: string | null;
  epoch: number | null;
  state: SessionState;
  priority: Priority;
  /** As named by the session, at most 8; emergency sessions are in `priority:emergency` without saying so. */
  groups: string[];
  facts: SessionFacts;
  policy: SessionPolicy;
}

/** A session that made room for a new one. */
export interface Victim {
  id: string;
  node: string | null;
  startedAtMs: number;
}

/**
 * Proof that an admission is this caller's own: with it, and only with it, the admission can be withdrawn.
 * A later retry of the same session takes the ownership over.
 */
export type AdmissionToken = number;

export interface Admitted {
  kind: 'admitted';
  /** True if this id and attempt held its place already; then nothing was changed. */
  repeated: boolean;
  session: Session;
  limits: LimitState[];
  terminated: Victim[];
  policyVersion: number;
}

/** Refused: `limits` names every limit that was full. */
export interface Rejected {
  kind: 'rejected';
  limits: LimitState[];
  policyVersion: number;
}

/** This id and attempt have ended; the place is gone for good. `session` is null where a later attempt lives. */
export interface AlreadyEnded {
  kind: 'ended';
  session: EndedSession | null;
}

/** The id is live with another user. */
export interface IdConflict {
  kind: 'id-conflict';
}

/** The caller had withdrawn this admission before it was decided. */
export interface Withdrawn {
  kind: 'withdrawn';
}

/** The node has a newer run, or this run of it is lost: nothing is admitted for it. */
export interface StaleEpoch {
  kind: 'stale-epoch';
  currentEpoch: number;
}

/** The node takes no new sessions, because an operator drains it. */
export interface NodeDraining {
  kind: 'node-draining';
}

export type Decision = Admitted | Rejected | AlreadyEnded | IdConflict | Withdrawn | StaleEpoch | NodeDraining;

/**
 * What became of a verb on one session. `ended`: it is over, hang up (the session is null where a later attempt lives).
 * `unknown`: never seen, or long forgotten.
 */
export type SessionOutcome =
  { kind: 'live'; session: Session } | { kind: 'ended'; session: EndedSession | null } | { kind: 'unknown' };

/** What is under an id. `unreadable`: a session holds its places there, and its record cannot be decoded. */
export type FoundSession = SessionOutcome | { kind: 'unreadable'; session: UnreadableSession };
