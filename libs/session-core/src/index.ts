export {
  AmbiguousSessionError,
  BerthError,
  CorruptReplyError,
  InvalidInputError,
  LimitsConflictError,
  StoreUnavailableError,
} from './errors.js';
export { Books, type Refusal, type SessionFilter, type SessionPage, type UserCount } from './books.js';
export {
  escapeKeyPart,
  QUEUE_PREFIX,
  shardKeys,
  shardNumbers,
  shardOf,
  tenantKeys,
  type ShardKeys,
  type TenantRef,
} from './keys.js';
export { LimitsStore } from './limits-store.js';
export type {
  Admitted,
  AdmissionRequest,
  AdmissionToken,
  AlreadyEnded,
  Decision,
  Rejected,
  SessionOutcome,
  StaleEpoch,
  Victim,
} from './model/decision.js';
export * from './model/identity/index.js';
export {
  DEFAULT_LIMITS,
  effectiveLimits,
  LIMIT_ACTIONS,
  LIMIT_SCOPES,
  limitOf,
  type EffectiveLimits,
  type LimitAction,
  type LimitsDocument,
  type LimitsLayer,
  type LimitScope,
  type LimitState,
} from './model/limit.js';
export {
  END_REASONS,
  type Channel,
  type EndedSession,
  type EndReason,
  type Priority,
  type Session,
  type SessionFacts,
  type SessionPolicy,
  type SessionRef,
  type SessionState,
  type TrafficTotals,
} from './model/session.js';
export type { EndOutcome } from './scripts/end.script.js';
export { allShardScripts, type StoreClient } from './scripts/script.js';
export type { Sweep } from './scripts/sweep.script.js';
export { SessionStore, type EndRequest, type OwnedDecision, type SessionStoreOptions } from './session-store.js';
