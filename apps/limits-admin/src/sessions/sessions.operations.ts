import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { sessionId, time } from '#session-wire';

import { count, doneAnswer, listedSession, nextCursor } from '../answers.schema.js';
import { fullLimitAnswer, gapsField, HISTORY_PROBLEMS, rowFields } from '../history/api/history.operations.js';
import { activeQuery, sessionQuery, terminateBody, terminateQuery } from './sessions.schema.js';

const terminate = {
  description:
    'Log, event and history name the key that asked. A path word such as limits is never an id here; `DELETE /v1/sessions/{id}` of the gateway reaches such ids.',
  params: z.object({ sessionId: sessionId() }),
  query: terminateQuery,
  body: terminateBody,
  answers: { 200: doneAnswer },
  problems: ['session-unknown', 'not-found', 'ambiguous-session', 'store-unavailable'],
} as const satisfies Partial<OperationSpec>;

const attemptAnswer = z
  .strictObject({
    ...rowFields,
    attempt: z.int().describe('-1 where it is not known'),
    node: z.string().describe('Empty for a session of no node'),
    epoch: z.int().nullable(),
    groups: z.array(z.string()),
    priority: z.string(),
    from_uri: z.string().nullable(),
    to_uri: z.string().nullable(),
    direction: z.string().nullable(),
    correlation_id: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    note: z.string(),
  })
  .meta({
    id: 'SessionAttempt',
    description: 'An attempt that has ended; without end_time where its end is not known yet',
  });

const { user, source_ip, source_port, dest_ip, dest_port, acl_decision, acl_rule } = rowFields;
const refusalAnswer = z
  .strictObject({
    at: time(),
    user,
    status: z.enum(['rejected_by_limit', 'rejected_by_acl']),
    node: z.string().describe('Empty where it is not known'),
    source_ip,
    source_port,
    dest_ip,
    dest_port,
    protocol: z.string(),
    correlation_id: z.string().nullable(),
    acl_decision,
    acl_rule,
    limits: z.array(fullLimitAnswer).describe('Those that were full'),
    count: z.int().min(1).describe('How many refusals it stands for'),
  })
  .meta({ id: 'SessionRefusal', description: 'A refusal of a session id' });

/** Live sessions, and what is known of one. */
export const SESSIONS = {
  active: {
    summary: 'Lists live sessions',
    description:
      'A session that lives from the first page to the last is on exactly one. Those whose record cannot be decoded have the state unreadable.',
    query: activeQuery,
    answers: { 200: z.strictObject({ sessions: z.array(listedSession), nextCursor: nextCursor() }) },
    problems: ['store-unavailable'],
    example: { answer: { sessions: [], nextCursor: null } },
  },
  show: {
    summary: 'Shows all attempts of a session id, live and ended, and its refusals',
    description:
      'Live ones are those of the books, what has ended and what was refused is as history has it, the newest first; each attempt is shown once. total is how many rows history has of the id: with more than 1,000 the older ones are in GET /api/sessions/history?session_id. Where the path has - for the id, it is session_id.',
    params: z.object({ sessionId: sessionId().describe('- where the query has the id') }),
    query: sessionQuery,
    answers: {
      200: z
        .strictObject({
          id: z.string(),
          live: z.array(listedSession),
          ended: z.array(attemptAnswer),
          refusals: z.array(refusalAnswer),
          history: z.enum(['kept', 'off']).describe('off: what ended is shown for a minute only, and no refusal is'),
          total: count(),
          ...gapsField,
        })
        .meta({ id: 'SessionAttempts', description: 'All that is known of a session id' }),
    },
    problems: ['session-unknown', 'ambiguous-session', ...HISTORY_PROBLEMS],
    example: { answer: { id: 'call-1@pc33', live: [], ended: [], refusals: [], history: 'kept', total: 0 } },
  },
  delete: {
    ...terminate,
    summary: 'Ends a session; its node gets a command to hang up',
    example: {
      body: { reason: 'fraud' },
      answer: { success: true, message: 'Session a84b4c76e66710@pc33.example.com terminated' },
    },
  },
  terminate: { ...terminate, summary: 'The same as DELETE, for clients that cannot send DELETE' },
} as const satisfies Record<string, OperationSpec>;
