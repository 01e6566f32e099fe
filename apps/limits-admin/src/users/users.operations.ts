import { z } from 'zod';

import { limitStateAnswer, type OperationSpec } from '#service-kit';
import { time } from '#session-wire';

import { count, listedSession, pageFields, terminatedAnswer } from '../answers.schema.js';
import { limitNumber, userLimitFields } from '../limits/answers.schema.js';
import { userPath } from '../query.schema.js';
import { terminateBody } from '../sessions/sessions.schema.js';
import { userQuery, usersQuery } from './users.schema.js';

const rowAnswer = z
  .strictObject({
    username: z.string(),
    activeSessions: count(),
    limit: limitNumber().describe('In force; 0: unlimited'),
    lastLogin: time().nullable().describe('When the newest live session started; null without one'),
    ipAddress: z.string().nullable().describe('Where that session comes from'),
  })
  .meta({ id: 'UserRow', description: 'A user of a list' });

const userAnswer = z
  .strictObject({
    username: z.string(),
    activeSessions: count(),
    ...userLimitFields,
    sessions: z.array(listedSession).describe('A page, oldest first'),
    lastRefusal: z
      .strictObject({ at: time(), sessionId: z.string(), limits: z.array(limitStateAnswer) })
      .nullable()
      .describe('As long as it is remembered'),
    nextCursor: z.string().optional().describe('There if more follow; /api/sessions/active takes it too'),
  })
  .meta({ id: 'User', description: 'A user, with a page of its sessions' });

/** Who has sessions. */
export const USERS = {
  list: {
    summary: 'Lists the users with live sessions or a limit of their own',
    query: usersQuery,
    answers: { 200: z.strictObject({ users: z.array(rowAnswer), ...pageFields }) },
    problems: ['store-unavailable'],
    example: {
      answer: {
        users: [
          {
            username: 'alice',
            activeSessions: 2,
            limit: 10,
            lastLogin: '2026-11-21T13:12:59.047Z',
            ipAddress: '192.0.2.10',
          },
        ],
        total: 1,
        page: 1,
        limit: 50,
      },
    },
  },
  show: {
    summary: 'Shows one user, with a page of its sessions',
    params: userPath,
    query: userQuery,
    answers: { 200: userAnswer },
    problems: ['store-unavailable'],
    example: {
      answer: {
        username: 'alice',
        activeSessions: 0,
        limit: 3,
        origin: { by: 'ops', at: '2026-11-21T16:23:08.660Z', reason: 'card blocked' },
        sessions: [],
        lastRefusal: {
          at: '2026-11-21T16:25:11.020Z',
          sessionId: 'call-9@pc33',
          limits: [{ scope: 'user', key: 'alice', max: 3, active: 3 }],
        },
      },
    },
  },
  terminate: {
    summary: 'Ends all sessions of a user; their nodes get commands to hang up',
    description: 'One that starts meanwhile stays.',
    params: userPath,
    body: terminateBody,
    answers: { 200: terminatedAnswer },
    problems: ['store-unavailable'],
    example: {
      body: { reason: 'account closed' },
      answer: { success: true, terminated: 2, message: 'Terminated 2 sessions of user alice' },
    },
  },
} as const satisfies Record<string, OperationSpec>;
