import { failureOf, problemOf } from './problems.js';
import { UNAVAILABLE, type ProblemCode } from './errors.js';
import type { Admitted, Beat, LimitState, Operations, Problem, SessionNow, Snapshot } from './generated/operations.js';
import type { Answer } from './transport.js';

export type AdmissionRequest = Operations['sessions_create']['body'];

export interface SipAnswer {
  code: number;
  reason: string;
}

/** A limit, or several, were full. Nothing is on the books; the same id may ask again. */
export interface Rejected {
  kind: 'rejected';
  mayStart: false;
  sessionId: string;
  /** Of the first full limit: `user-limit-exceeded`, `group-limit-exceeded` … */
  code: ProblemCode;
  /** Every limit that was full. */
  limits: readonly LimitState[];
  sip: SipAnswer;
  /** Of rates: after so long there is room again. */
  retryAfterMs: number | null;
}

/** No limit was asked. `ended`: this id and attempt are over. `id-conflict`: the id lives with another user. `node-draining`: the node takes no more. */
export interface NotAsked {
  kind: 'ended' | 'id-conflict' | 'node-draining';
  mayStart: false;
  sessionId: string;
  sip: SipAnswer;
}

/** The node has a newer run, or is lost until it beats. */
export interface StaleEpoch {
  kind: 'stale-epoch';
  currentEpoch: number | null;
}

/** The session is on the books. */
export interface Started extends Omit<Admitted, 'decision'> {
  kind: 'admitted';
  mayStart: true;
  sessionId: string;
  /** Whether this id and attempt had been admitted before. */
  repeated: boolean;
}

/** No gateway answered, and the client may let sessions through: it comes onto the books later. */
export interface LetThrough {
  kind: 'let-through';
  mayStart: true;
  sessionId: string;
}

export type Refusal = Rejected | NotAsked | (StaleEpoch & { mayStart: false; sessionId: string; sip: SipAnswer });
export type Decision = Started | Refusal;
export type AdmitOutcome = Decision | LetThrough;

/** `ended`: hang up. `unknown`: keep the call; admit it again, or send a list. */
export type Gone = { kind: 'ended' } | { kind: 'unknown' };
export type SessionOutcome = { kind: 'live'; session: SessionNow } | Gone;
export type RenewOutcome = { kind: 'renewed'; expiresAt: string | null } | Gone;
/** `kept`: no gateway could take the end; it is delivered later. */
export type EndOutcome = { kind: 'ended' | 'unknown' | 'kept' };
export type HandoverOutcome = SessionOutcome | Omit<Rejected, 'mayStart'> | { kind: 'id-conflict' } | StaleEpoch;
export type BeatOutcome = ({ kind: 'beat' } & Beat) | StaleEpoch;
export type SnapshotOutcome = ({ kind: 'taken' } & Snapshot) | StaleEpoch;

/** Why an admission was refused, by the code of its problem. */
export function decisionOf(sessionId: string, answer: Answer): Decision {
  if (answer.status < 300) {
    // A check answers 200 with the problem that an admission would have been answered.
    const body = answer.body as Admitted | Problem;
    if (isProblem(body)) return decisionOf(sessionId, { ...answer, status: body.status });
    const { decision: _, ...admitted } = body;
    return {
      kind: 'admitted',
      mayStart: true,
      sessionId: admitted.session.id,
      repeated: answer.status === 200,
      ...admitted,
    };
  }
  const refused = refusalOf(sessionId, answer);
  if (refused === null) throw failureOf(answer);
  return refused;
}

function isProblem(body: Admitted | Problem): body is Problem {
  return typeof (body as Problem).code === 'string';
}

function refusalOf(sessionId: string, answer: Answer): Refusal | null {
  const problem = problemOf(answer);
  if (problem === null) return null;
  const refused = { mayStart: false, sessionId, sip: problem.sip ?? UNAVAILABLE } as const;
  switch (problem.code) {
    case 'session-ended':
      return { kind: 'ended', ...refused };
    case 'session-id-conflict':
      return { kind: 'id-conflict', ...refused };
    case 'node-draining':
      return { kind: 'node-draining', ...refused };
    case 'stale-epoch':
      return { kind: 'stale-epoch', currentEpoch: problem.currentEpoch ?? null, ...refused };
    default:
      return problem.decision === 'rejected' ? { ...refused, ...rejectionOf(sessionId, problem) } : null;
  }
}

function rejectionOf(sessionId: string, problem: Problem): Omit<Rejected, 'mayStart'> {
  const { code, limits = [], sip = UNAVAILABLE } = problem;
  const waitsMs = limits.flatMap((limit) => limit.retryAfterMs ?? []);
  return {
    kind: 'rejected',
    sessionId,
    code,
    limits,
    sip,
    retryAfterMs: waitsMs.length > 0 ? Math.max(...waitsMs) : null,
  };
}

/** `ended` and `unknown` of the calls about a session; null for every other answer. */
export function goneOf(answer: Answer): Gone | null {
  const code = problemOf(answer)?.code;
  if (code === 'session-ended') return { kind: 'ended' };
  return code === 'session-unknown' ? { kind: 'unknown' } : null;
}

export function sessionOutcome(answer: Answer): SessionOutcome {
  if (answer.status < 300) return { kind: 'live', session: answer.body as SessionNow };
  return goneOutcome(answer);
}

export function handoverOutcome(sessionId: string, answer: Answer): HandoverOutcome {
  const problem = problemOf(answer);
  if (problem?.decision === 'rejected') return rejectionOf(sessionId, problem);
  // 409 `session-ended` is about the new id; 410 about the session.
  const newId = answer.status === 409 && problem?.code === 'session-ended';
  if (newId || problem?.code === 'session-id-conflict') return { kind: 'id-conflict' };
  return staleEpoch(answer) ?? sessionOutcome(answer);
}

export function staleEpoch(answer: Answer): StaleEpoch | null {
  const problem = problemOf(answer);
  return problem?.code === 'stale-epoch' ? { kind: 'stale-epoch', currentEpoch: problem.currentEpoch ?? null } : null;
}

export function goneOutcome(answer: Answer): Gone {
  const gone = goneOf(answer);
  if (gone === null) throw failureOf(answer);
  return gone;
}

export function staleOutcome(answer: Answer): StaleEpoch {
  const stale = staleEpoch(answer);
  if (stale === null) throw failureOf(answer);
  return stale;
}
