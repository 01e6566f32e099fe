export { admissionRequest, admissionWarnings } from './admission.mapper.js';
export * from './answers.schema.js';
export { typedFields, type RawEvent } from './event-fields.js';
export {
  EVENT_SCHEMAS,
  EVENT_TYPES,
  isEventType,
  isFromTheFuture,
  type EventOf,
  type EventType,
} from './events.schema.js';
export * from './fields.schema.js';
export {
  heartbeatBody,
  leaveBody,
  nodeName,
  snapshotBody,
  type HeartbeatBody,
  type LeaveBody,
  type SnapshotBody,
} from './nodes.schema.js';
export {
  logIdleSessionTerminated,
  logLimitExceeded,
  logSessionAuthenticated,
  logSessionCreated,
  logSessionKilled,
  logSessionRemoved,
  logSessionTransferred,
  logTerminatedOldest,
  peerOf,
  type LimitExceededEvent,
  type SessionEvent,
  type TerminatedOldestEvent,
} from './session-log.js';
export {
  rfc3339,
  rfc3339OrNull,
  sessionView,
  unreadableView,
  type SessionView,
  type UnreadableView,
} from './session.view.js';
export * from './sessions.schema.js';
export { snapshotPart } from './snapshot.mapper.js';
