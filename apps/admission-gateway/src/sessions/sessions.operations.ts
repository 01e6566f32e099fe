import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import {
  activityBody,
  admissionBody,
  admittedAnswer,
  confirmBody,
  endBody,
  endedSessionAnswer,
  endQuery,
  hintQuery,
  liveSessionAnswer,
  sessionId,
  time,
  unreadableSessionAnswer,
  warned,
  wouldBeRefusedAnswer,
} from '#session-wire';

import { authenticateBody, transferBody } from './transfer.schema.js';

const ASKED = {
  sessionId: 'a84b4c76e66710@pc33.example.com',
  from: '"Alice" <sip:alice@example.com>;tag=9fxced76sl',
  to: 'sip:+14155550100@example.com',
  node: 'b2bua-1',
  epoch: 1_763_700_000_000,
};

const SESSION = {
  id: ASKED.sessionId,
  attempt: 1,
  tenant: 'default',
  user: 'alice',
  node: 'b2bua-1',
  epoch: ASKED.epoch,
  state: 'active',
  from: ASKED.from,
  to: ASKED.to,
  sourceIp: null,
  sourcePort: null,
  destination: null,
  protocol: 'sip',
  direction: null,
  correlationId: null,
  groups: [],
  priority: 'normal',
  authenticated: true,
  startedAt: '2026-11-21T04:40:00.000Z',
  lastActivityAt: '2026-11-21T04:40:00.000Z',
  expiresAt: '2026-11-22T04:40:00.000Z',
  endsBy: '2026-11-22T04:40:00.000Z',
  bytesSent: 0,
  bytesReceived: 0,
  packetsSent: 0,
  packetsReceived: 0,
  channels: [],
  metadata: null,
};

const ADMITTED = {
  decision: 'admitted',
  session: SESSION,
  limits: [{ scope: 'user', key: 'alice', max: 5, active: 1 }],
  terminated: [],
  policyVersion: 1,
};

const LIMITS_FULL = [
  'user-limit-exceeded',
  'group-limit-exceeded',
  'ip-rate-exceeded',
  'total-limit-exceeded',
] as const satisfies OperationSpec['problems'];
const STORE = ['store-unavailable'] as const satisfies OperationSpec['problems'];
/** Of calls on one session. */
const ONE = ['session-unknown', 'session-ended', 'ambiguous-session', ...STORE] as const;

const liveAnswer = z
  .strictObject({ ...liveSessionAnswer.shape, ...warned })
  .meta({ id: 'SessionNow', description: 'The session as it is now' });

const sessionPath = z.object({ id: sessionId() });

const DASH = 'For an id that a path cannot hold, write `-` in the path and the id as `sessionId` in the body.';

/** What servers say of sessions. */
export const SESSIONS = {
  create: {
    summary: 'Asks whether a session may start; an admitted one holds a slot from then on',
    description:
      'Repeatable: the same id and attempt get the same answer, with status 200. The user is taken from `from`, `assertedIdentity` or `user`, as `identity.user_from` says.',
    body: admissionBody,
    answers: { 200: admittedAnswer, 201: admittedAnswer },
    problems: [...LIMITS_FULL, 'session-id-conflict', ['session-ended', 409], 'stale-epoch', 'node-draining', ...STORE],
    example: { body: ASKED, answer: ADMITTED },
  },
  check: {
    summary: 'Answers what an admission would be answered, and changes nothing',
    body: admissionBody,
    answers: { 200: z.union([admittedAnswer, wouldBeRefusedAnswer]) },
    problems: STORE,
    example: { body: ASKED, answer: ADMITTED },
  },
  get: {
    summary: 'Shows one session, live or ended',
    description: '`user` names the user whose session it has to be, and spares a search.',
    params: sessionPath,
    query: hintQuery,
    answers: { 200: z.union([liveSessionAnswer, endedSessionAnswer, unreadableSessionAnswer]) },
    problems: ONE,
    example: { answer: SESSION },
  },
  confirm: {
    summary: 'Makes a reserved session active: the call was answered',
    description: DASH,
    params: sessionPath,
    query: hintQuery,
    body: confirmBody,
    answers: { 200: liveAnswer },
    problems: ONE,
    example: { body: {}, answer: SESSION },
  },
  activity: {
    summary: 'Renews the idle time of a session, with its totals so far',
    description: `Totals only grow: a late or repeated report changes nothing. ${DASH}`,
    params: sessionPath,
    query: hintQuery,
    body: activityBody,
    answers: { 200: z.strictObject({ expiresAt: time().nullable(), ...warned }) },
    problems: ONE,
    example: { body: { bytesSent: 172_000 }, answer: { expiresAt: '2026-11-22T04:40:00.000Z' } },
  },
  end: {
    summary: 'Ends a session and frees its slot',
    description: `Repeatable. Ends this attempt and earlier ones; one that was never seen is refused when it arrives. ${DASH}`,
    params: sessionPath,
    query: hintQuery,
    body: endBody,
    answers: { 204: null },
    problems: ['ambiguous-session', 'session-unknown', ...STORE],
    example: { body: { reason: 'BYE', bytesSent: 344_000 } },
  },
  remove: {
    summary: 'Ends a session; a value in the query wins over the same value in the body',
    params: sessionPath,
    query: endQuery,
    body: endBody,
    answers: { 204: null },
    problems: ['ambiguous-session', 'session-unknown', ...STORE],
  },
  authenticate: {
    summary: 'Gives a user to a session that was admitted without one',
    description: DASH,
    params: sessionPath,
    query: hintQuery,
    body: authenticateBody,
    answers: { 200: liveAnswer },
    problems: [...LIMITS_FULL, 'session-id-conflict', ...ONE],
    example: { body: { user: 'alice' }, answer: SESSION },
  },
  transfer: {
    summary: 'Hands a session over to another node, and if named to another user or id',
    description: DASH,
    params: sessionPath,
    query: hintQuery,
    body: transferBody,
    answers: { 200: liveAnswer },
    problems: [...LIMITS_FULL, 'session-id-conflict', ['session-ended', 409], 'stale-epoch', 'node-draining', ...ONE],
    example: { body: { node: 'b2bua-2', epoch: 1_763_700_100_000 }, answer: SESSION },
  },
} as const satisfies Record<string, OperationSpec>;
