import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { warned } from '#session-wire';

import { count, message, success } from '../../answers.schema.js';
import { userPath } from '../../query.schema.js';
import { HISTORY_PROBLEMS } from '../api/history.operations.js';

/** Erases a person. */
export const ERASURES = {
  erase: {
    summary: 'Erases a person: what history says of sessions and refusals until now',
    description:
      '`history.erase` says whether rows are pseudonymised or removed. Repeatable; the work goes on if the caller leaves.',
    params: userPath,
    answers: {
      200: z.strictObject({
        success: success(),
        username: z.string(),
        mode: z.enum(['pseudonymise', 'remove']),
        sessions: count().describe('Rows of sessions'),
        refusals: count().describe('Rows of refusals'),
        message: message(),
        ...warned,
      }),
    },
    problems: ['user-has-sessions', ...HISTORY_PROBLEMS],
    example: {
      answer: {
        success: true,
        username: 'alice',
        mode: 'pseudonymise',
        sessions: 3,
        refusals: 1,
        message: 'History of user alice: 3 sessions and 1 refusals pseudonymised',
      },
    },
  },
} as const satisfies Record<string, OperationSpec>;
