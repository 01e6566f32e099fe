import { z } from 'zod';

import {
  attempt,
  destination,
  digits,
  groups,
  header,
  ipAddress,
  jsonObject,
  listOf,
  MAX_ATTEMPT,
  port,
  sessionId,
  text,
  ttlSeconds,
  wholeNumber,
} from './fields.schema.js';

const HEADER_BYTES = 4_096;
const METADATA_BYTES = 4_096;
const NAME_BYTES = 256;
const NODE_BYTES = 128;
const REASON_BYTES = 1_024;
const MAX_CHANNELS = 64;

/** The body of `POST /v1/sessions` and `POST /v1/sessions:check`. */
export const admissionBody = z.object({
  sessionId: sessionId().optional(),
  attempt: attempt().default(1),
  from: header(HEADER_BYTES).optional(),
  assertedIdentity: header(HEADER_BYTES).optional(),
  user: header(HEADER_BYTES).optional(),
  to: header(HEADER_BYTES).optional(),
  node: text(NODE_BYTES).optional(),
  epoch: wholeNumber(1).optional(),
  userClass: text(NAME_BYTES).optional(),
  sourceIp: ipAddress().optional(),
  sourcePort: port().optional(),
  destination: destination().optional(),
  protocol: z
    .string()
    .regex(/^[a-z0-9-]{1,16}$/, 'must be 1 to 16 of a-z, 0-9 and -')
    .default('sip'),
  direction: z.enum(['inbound', 'outbound'], 'must be inbound or outbound').optional(),
  correlationId: text(NAME_BYTES).optional(),
  groups: groups(),
  state: z.enum(['reserved', 'active'], 'must be reserved or active').default('active'),
  priority: z.enum(['normal', 'emergency'], 'must be normal or emergency').default('normal'),
  ttlSeconds: ttlSeconds().optional(),
  units: z.literal(1, 'must be 1: one session is one place').optional(),
  metadata: jsonObject(METADATA_BYTES).optional(),
});
export type AdmissionBody = z.output<typeof admissionBody>;

/** What every call on one session may say in its body. `sessionId` counts where the path says `-`. */
const named = { sessionId: sessionId().optional(), attempt: attempt().optional() };

export const confirmBody = z.object(named);

const total = () => wholeNumber(0).optional();

const channel = z.object({
  id: text(NAME_BYTES),
  type: z.enum(['session', 'direct-tcpip', 'forwarded-tcpip'], 'must be session, direct-tcpip or forwarded-tcpip'),
  host: text(NAME_BYTES).optional(),
  port: port().optional(),
  openedAt: z.iso.datetime({ offset: true, error: 'must be a time as RFC 3339 has it' }).optional(),
});

/** What a session came to so far. */
export const totals = {
  bytesSent: total(),
  bytesReceived: total(),
  packetsSent: total(),
  packetsReceived: total(),
};

/** Totals so far, and the channels that are open now. */
export const activityTotals = { ...totals, channels: listOf(channel, MAX_CHANNELS).optional() };

export const activityBody = z.object({ ...named, ...activityTotals });

/** Of an end the free text goes to the note. */
const reason = () => header(REASON_BYTES).optional();

export const endBody = z.object({ ...named, ...totals, reason: reason() });

export type EndBody = z.output<typeof endBody>;

/** `?user=`: a hint where the session lives. */
export const hintQuery = z.object({ user: header(HEADER_BYTES).optional() });

export const endQuery = z.object({
  ...hintQuery.shape,
  reason: reason(),
  attempt: digits(0, MAX_ATTEMPT).optional(),
});
