export { admissionRequest, admissionWarnings } from './admission.mapper.js';
export { EventInbox, type Arrival, type EventResult } from './event-inbox.js';
export type { RawEvent } from './event-fields.js';
export { EVENT_TYPES } from './events.schema.js';
export * from './fields.schema.js';
export { heartbeatBody, nodeName, snapshotBody, type HeartbeatBody, type SnapshotBody } from './nodes.schema.js';
export * from './sessions.schema.js';
export { snapshotPart } from './snapshot.mapper.js';
export { openBooks, warnOfContest, type TenantBooks } from './tenant-books.js';
