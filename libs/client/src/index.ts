export type { CallOptions } from './calls.js';
export {
  BerthClient,
  type Activity,
  type Heartbeat,
  type SessionHint,
  type SnapshotPart,
  type Transfer,
} from './client.js';
export { BerthError, InvalidRequestError, UnavailableError, type ErrorCode, type ProblemCode } from './errors.js';
export type { Totals } from './facts.js';
export type {
  Beat,
  Command,
  EndedSession,
  LimitState,
  Operations,
  Problem,
  Session,
  SessionNow,
  Snapshot,
  UnreadableSession,
} from './generated/operations.js';
export { BerthNode, type HeldSession, type NodeOptions } from './node/berth-node.js';
export type { OnTerminate, Termination } from './node/hang-ups.js';
export type { ClientOptions, TlsOptions } from './options.js';
export type {
  AdmissionRequest,
  AdmitOutcome,
  BeatOutcome,
  Decision,
  EndOutcome,
  Gone,
  HandoverOutcome,
  LetThrough,
  NotAsked,
  Refusal,
  Rejected,
  RenewOutcome,
  SessionOutcome,
  SipAnswer,
  SnapshotOutcome,
  StaleEpoch,
  Started,
} from './outcomes.js';
export {
  SessionManager,
  SessionRefusedError,
  type ManagerOptions,
  type SessionStats,
  type UserSession,
} from './session-manager.js';
