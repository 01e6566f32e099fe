import { z } from 'zod';

import { limitStateAnswer } from '#service-kit';
import { END_REASONS } from '#session-core';

/** What the services answer, as schemas: strict, so that a member which nobody declared is a fault that a test finds. */

export const time = () => z.iso.datetime().describe('RFC 3339, UTC, with milliseconds');
const count = () => z.int().min(0);
const textOrNull = () => z.string().nullable();

/** `warnings`: fields that nobody reads, and what was taken otherwise than it was written. */
export const warned = {
  warnings: z.array(z.string()).optional().describe('What was ignored, or taken otherwise than written'),
};

const channel = z.strictObject({
  id: z.string(),
  type: z.enum(['session', 'direct-tcpip', 'forwarded-tcpip']),
  host: z.string().optional(),
  port: z.int().optional(),
  openedAt: z.string().optional(),
});

const facts = {
  from: textOrNull(),
  to: textOrNull(),
  sourceIp: textOrNull(),
  sourcePort: z.int().nullable(),
  destination: textOrNull().describe('host:port, as RFC 5952 writes addresses'),
  protocol: z.string(),
  direction: z.enum(['inbound', 'outbound']).nullable(),
  correlationId: textOrNull(),
  groups: z.array(z.string()).describe('kind:name, with those that each is within'),
  channels: z.array(channel),
  metadata: z.record(z.string(), z.unknown()).nullable(),
};

const known = {
  id: z.string(),
  attempt: z.int(),
  tenant: z.string(),
  user: textOrNull().describe('null as long as nobody has authenticated'),
  node: textOrNull(),
  epoch: z.int().nullable().describe('The start of the node that holds it'),
  priority: z.enum(['normal', 'emergency']),
  authenticated: z.boolean(),
  startedAt: time(),
  lastActivityAt: time(),
  expiresAt: time().nullable().describe('When it ends unless it is active before'),
  endsBy: time().nullable().describe('When it ends whatever happens'),
  bytesSent: count(),
  bytesReceived: count(),
  packetsSent: count(),
  packetsReceived: count(),
};

const live = { ...known, ...facts, state: z.enum(['reserved', 'active']) };

/** A live session. */
export const liveSessionAnswer = z.strictObject(live).meta({ id: 'Session', description: 'A live session' });

const asPartial = z.object(facts).partial().shape;

/** One that has ended: what its tombstone does not keep is absent. */
export const endedSessionAnswer = z
  .strictObject({ ...known, ...asPartial, state: z.literal('ended'), endedAt: time(), endReason: z.enum(END_REASONS) })
  .meta({ id: 'EndedSession', description: 'A session that has ended; what is not kept of it is absent' });

const unknownFields = Object.fromEntries(
  Object.keys({ ...known, ...facts }).map((name) => [name, z.null()] as const),
) as Record<keyof typeof known | keyof typeof facts, z.ZodNull>;

/** One whose record cannot be decoded. */
export const unreadableSessionAnswer = z
  .strictObject({
    ...unknownFields,
    id: z.string(),
    tenant: z.string(),
    user: textOrNull(),
    state: z.literal('unreadable'),
    authenticated: z.boolean(),
    expiresAt: time().nullable(),
    groups: z.array(z.string()),
    channels: z.array(channel),
  })
  .meta({
    id: 'UnreadableSession',
    description: 'A session whose record cannot be decoded; it can be ended like any other',
  });

/** The answer to an admission. */
export const admittedAnswer = z
  .strictObject({
    decision: z.literal('admitted'),
    session: liveSessionAnswer,
    limits: z.array(limitStateAnswer),
    terminated: z
      .array(z.strictObject({ id: z.string(), node: textOrNull(), startedAt: time() }))
      .describe('Sessions that were ended to make room; their nodes get commands to hang up'),
    policyVersion: count().describe('Of the limits that decided'),
    ...warned,
  })
  .meta({ id: 'Admitted', description: 'The session may start' });

/** What an admission would be answered, where that is a problem. */
export const wouldBeRefusedAnswer = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    decision: z.literal('rejected').optional(),
    limits: z.array(limitStateAnswer).optional(),
    policyVersion: count().optional(),
    currentEpoch: z.int().nullable().optional(),
    sip: z.strictObject({ code: z.int(), reason: z.string() }).describe('What a SIP server should answer its caller'),
    ...warned,
  })
  .meta({ id: 'WouldBeRefused', description: 'The problem that the admission would be answered with' });
