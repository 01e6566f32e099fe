import { z } from 'zod';

import type { OperationSpec } from '#service-kit';

import { doneAnswer, listedSession, nextCursor } from '../answers.schema.js';
import { activeQuery, terminateBody, terminateQuery } from './sessions.schema.js';

const terminate = {
  description:
    'Log, event and history name the key that asked. A path word such as limits is never an id here; `DELETE /v1/sessions/{id}` of the gateway reaches such ids.',
  query: terminateQuery,
  body: terminateBody,
  answers: { 200: doneAnswer },
  problems: ['session-unknown', 'not-found', 'ambiguous-session', 'store-unavailable'],
} as const satisfies Partial<OperationSpec>;

/** Who is aboard. */
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
