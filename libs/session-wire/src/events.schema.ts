import { z } from 'zod';

import { attempt, header, sessionId, text, wholeNumber } from './fields.schema.js';
import { heartbeatBody, nodeName, snapshotBody } from './nodes.schema.js';
import { activityTotals, admissionBody, totals } from './sessions.schema.js';

/** The only version of events there is. */
const VERSION = 1;
/** The clock of a server may be ahead by so much; what is dated later is wrong. */
const CLOCK_TOLERANCE_MS = 60_000;

const envelope = {
  v: z.literal(VERSION, `must be ${VERSION}: no other version of events is known`),
  id: text(1_024).optional(),
  tenant: text(32).optional(),
  at: wholeNumber(0).optional(),
  arrivedAt: wholeNumber(0).optional(),
};

const ofSession = { sessionId: sessionId(), attempt: attempt().optional(), user: header(4_096).optional() };

/** What servers publish instead of calling, by type. */
export const EVENT_SCHEMAS = {
  'session.started': admissionBody.extend({ ...envelope, sessionId: sessionId() }),
  'session.activity': z.object({ ...envelope, ...ofSession, ...activityTotals }),
  'session.ended': z.object({ ...envelope, ...ofSession, ...totals, reason: header(1_024).optional() }),
  'session.rejected': z.object({
    ...envelope,
    sessionId: sessionId().optional(),
    user: header(4_096).optional(),
    rule: text(256).optional(),
    decision: text(64).optional(),
    sourceIp: admissionBody.shape.sourceIp,
    sourcePort: admissionBody.shape.sourcePort,
    destination: admissionBody.shape.destination,
    protocol: admissionBody.shape.protocol.unwrap().optional(),
  }),
  'node.heartbeat': heartbeatBody.extend({ ...envelope, node: nodeName() }),
  'node.snapshot': snapshotBody.safeExtend({ ...envelope, node: nodeName() }),
} as const;

export type EventType = keyof typeof EVENT_SCHEMAS;
export const EVENT_TYPES = Object.keys(EVENT_SCHEMAS) as EventType[];

export type EventOf<T extends EventType> = z.output<(typeof EVENT_SCHEMAS)[T]>;

export function isEventType(type: unknown): type is EventType {
  return typeof type === 'string' && Object.hasOwn(EVENT_SCHEMAS, type);
}

/** Whether an event is dated later than clocks that differ explain. */
export function isFromTheFuture(at: number | undefined, nowMs: number): boolean {
  return at !== undefined && at > nowMs + CLOCK_TOLERANCE_MS;
}
