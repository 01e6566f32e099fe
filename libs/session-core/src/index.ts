export {
  AmbiguousSessionError,
  BerthError,
  CorruptReplyError,
  InvalidInputError,
  LimitsConflictError,
  NotConnectedError,
  StoreUnavailableError,
  TenantClosedError,
} from './errors.js';
export { Attempts, type AttemptsOptions } from './attempts.js';
export { Audits, type AuditsOptions } from './audits.js';
export { Books, type GroupCount, type Refusal, type UserCount } from './books.js';
export type { SessionFilter, SessionPage } from './session-pages.js';
export { COMMAND_LIFE_MS, CommandsStore, type CommandedNode, type CommandsStoreOptions } from './commands-store.js';
export type { DecisionObserver } from './decision-observer.js';
export { startDeadline } from './deadline.js';
export { Traces, type IsTheirs } from './traces.js';
export { DeadLettersStore, deadLetterTenant, type DeadLetter, type DeadLetterPage } from './dead-letters-store.js';
export {
  auditKeys,
  escapeKeyPart,
  INBOX_STREAMS,
  historyKeys,
  inboxKeys,
  QUEUE_PREFIX,
  shardKeys,
  shardNumbers,
  shardOf,
  tenantKeys,
  type ShardKeys,
  type TenantRef,
} from './keys.js';
export { OUTBOX_BOUNDS, outboxOf, type OutboxStream, type StreamBounds } from './outbox-streams.js';
export { Lease, type LeaseOptions } from './lease.js';
export { NodesStore, type NodesStoreOptions } from './nodes-store.js';
export { Probes, type ProbesOptions } from './probes.js';
export { Pulses, type PulsesOptions } from './pulses.js';
export type { ReconciliationProgress } from './reconciliation.js';
export { asStoreError } from './store-call.js';
export { readWholeNumber } from './model/whole-number.js';
export { isVague, refusedKey, storeFault, storeFaultOf, type StoreFault, type StoreFaultCode } from './store-fault.js';
export { SnapshotsStore, type SnapshotsStoreOptions } from './snapshots-store.js';
export {
  MAX_PART_SESSIONS,
  MAX_PARTS,
  type CompleteSnapshot,
  type SnapshotEntry,
  type SnapshotOutcome,
  type SnapshotPart,
  type SnapshotPhase,
  type SnapshotProgress,
} from './model/snapshot.js';
export type {
  Beat,
  BeatPath,
  Contest,
  Fuse,
  Heartbeat,
  Leave,
  NodeCounts,
  NodePolicy,
  NodeView,
} from './model/node.js';
export type { Watch } from './scripts/watch-nodes.script.js';
export { LimitsStore } from './limits-store.js';
export { canonicalAddress, canonicalDestination, canonicalHost } from './model/address.js';
export { rateAddress } from './model/rate-address.js';
export type { Command } from './model/command.js';
export { Repetition } from './model/repetition.js';
export type {
  Admitted,
  AdmissionRequest,
  AdmissionToken,
  AlreadyEnded,
  Decision,
  FoundSession,
  Rejected,
  SessionOutcome,
  StaleEpoch,
  Victim,
} from './model/decision.js';
export * from './model/identity/index.js';
export {
  EMERGENCY_GROUP,
  EMERGENCY_KIND,
  LIMIT_ACTIONS,
  LIMIT_SCOPES,
  MAX_ANCESTORS,
  MAX_GROUPS,
  MAX_WITH_RESERVE,
  type LimitAction,
  type LimitDetails,
  type LimitOrigin,
  type LimitScope,
  type LimitState,
  type Rate,
  type Reserve,
  type TemporaryLimit,
} from './model/limit.js';
export { groupParts, limitTarget, type LimitKey, type LimitTarget } from './model/limit-key.js';
export { limitProblems, type LimitProblem } from './model/limit-problems.js';
export { limitWarnings } from './model/limit-warnings.js';
export type { ChangeAuthor, LimitsChange } from './model/limits-change.js';
export {
  ancestorsOf,
  DEFAULT_LIMITS,
  effectiveLimits,
  limitOf,
  limitOfGroup,
  type EffectiveGroupKind,
  type EffectiveLimits,
  type GroupKindLimits,
  type LimitsDocument,
  type LimitsLayer,
} from './model/limits-document.js';
export {
  NO_FACTS,
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
  type UnreadableSession,
} from './model/session.js';
export type { AuditFindings, AuditPiece } from './scripts/audit.script.js';
export type { EndOutcome } from './scripts/end.script.js';
export { allShardScripts, type StoreClient } from './scripts/script.js';
export type { Sweep } from './scripts/sweep.script.js';
export type { Trim } from './scripts/trim.script.js';
export type { Upkeep } from './scripts/upkeep.script.js';
export type { TransferOutcome, Transferred, TransferTarget } from './model/transfer.js';
export type { Tombstones } from './tombstones.js';
export { SessionStore, type EndRequest, type OwnedDecision, type SessionStoreOptions } from './session-store.js';
export { Rekey, type RekeyedTenant, type RekeyOptions, type RekeyOutcome } from './rekey/rekey.js';
export type { Listed, RekeyReport } from './rekey/report.js';
export { TenantsStore, type Registration, type TenantsStoreOptions } from './tenants-store.js';
export type { TenantOpening } from './scripts/register-tenant.script.js';
export { Transfers } from './transfers.js';
