import { z } from 'zod';

import type { OperationSpec } from '#service-kit';
import { warned } from '#session-wire';

import { count } from '../answers.schema.js';
import { userPath } from '../query.schema.js';
import {
  actionWord,
  changed,
  lent,
  limitKeyText,
  limitNumber,
  NOTHING_IN_USE,
  originAnswer,
  rateAnswer,
  reserveAnswer,
  temporaryAnswer,
  unchanged,
  userLimitFields,
} from './answers.schema.js';
import { changeBody, temporaryLimitBody } from './fields.schema.js';
import { limitsBody, namedLimitBody, namedUserQuery, userClassBody, userLimitBody } from './limits.schema.js';

const STORE = ['store-unavailable'] as const satisfies OperationSpec['problems'];
/** Of every change of limits. */
export const CHANGE_PROBLEMS = ['limits-conflict', 'too-many-limits', ...STORE] as const;
/** Of one user, named in the path. */
const NAMED = ['not-found', ...CHANGE_PROBLEMS] as const;

const byKey = <T extends z.ZodType>(of: T) => z.record(z.string(), of).describe('By the key of the limit');

const limitsAnswer = z
  .strictObject({
    enabled: z.boolean().describe('false: every session is tracked and none refused'),
    enable_session_limits: z.boolean().describe('The same'),
    max_sessions_per_user: limitNumber(),
    session_limit_action: actionWord(),
    max_total_sessions: limitNumber(),
    total_limit_action: actionWord(),
    max_sessions_per_ip_per_hour: limitNumber(),
    user_rate: rateAnswer.nullable(),
    session_creation_alert_threshold: count().describe('Sessions a minute; 0: no alert'),
    classes: z.record(z.string(), limitNumber()),
    user_limits: z
      .record(z.string(), limitNumber())
      .describe('Every user with a limit of their own; _default is that of the others'),
    observe: z.array(limitKeyText()).describe('The limits that are only measured'),
    reserves: byKey(reserveAnswer),
    origins: byKey(originAnswer),
    temporary: byKey(temporaryAnswer),
    source: z.enum(['api', 'file', 'default']).describe('The highest layer that says anything'),
    version: count(),
  })
  .meta({ id: 'Limits', description: 'The limits in force' });

const changedAnswer = z
  .strictObject(changed)
  .meta({ id: 'LimitsChanged', description: 'The change is in force for the next decision of every gateway' });

const user = { username: z.string().describe('As Berth writes it') };

const userLimitAnswer = z
  .strictObject({ ...user, ...userLimitFields, ...warned })
  .meta({ id: 'UserLimit', description: 'The limit of a user that is in force' });

const userChangedAnswer = z
  .strictObject({ ...user, limit: limitNumber(), ...changed })
  .meta({ id: 'UserLimitChanged', description: 'The change is in force; limit is what holds now' });

const userSetAnswer = z
  .strictObject({
    ...user,
    limit: limitNumber(),
    temporary: temporaryAnswer.optional().describe('Covers it for a while'),
    ...changed,
  })
  .meta({ id: 'UserLimitSet', description: 'The limit is set' });

const userClassAnswer = z
  .strictObject({ ...user, class: z.string(), limit: limitNumber(), ...changed })
  .meta({ id: 'UserClassSet', description: 'The user is of that class; limit is what holds now' });

const UNTIL_THEN = 'The temporary limit holds until then';

const LIMITS_SHOWN = {
  enabled: true,
  enable_session_limits: true,
  max_sessions_per_user: 10,
  session_limit_action: 'reject',
  max_total_sessions: 1_000,
  total_limit_action: 'reject',
  max_sessions_per_ip_per_hour: 600,
  user_rate: null,
  session_creation_alert_threshold: 0,
  classes: { gold: 20 },
  user_limits: { _default: 10, alice: 3 },
  observe: ['ip'],
  reserves: { total: { group: 'priority:emergency', places: 20 } },
  origins: { 'user:alice': { by: 'ops', at: '2026-11-21T16:23:08.660Z', reason: 'card blocked' } },
  temporary: {
    total: { limit: 1_200, expiresAt: '2026-11-21T18:23:08.649Z', by: 'ops', reason: 'campaign' },
  },
  source: 'api',
  version: 4,
};

const FOR_A_WHILE = { limit: 20, duration: '2h', reason: 'campaign' };
const LENT = {
  success: true,
  limit: 20,
  expiresAt: '2026-11-21T18:23:08.649Z',
  reason: 'campaign',
  ...NOTHING_IN_USE,
};
const EXACTLY = 'Also for a name like a path word (`temporary-limit`, `-`).';
const USER_SET = {
  success: true,
  username: 'alice',
  limit: 3,
  message: 'Session limit for user alice set to 3',
  in_use: [{ key: 'user:alice', limit: 3, activeSessions: 5, over: 2 }],
  on_lower: 'trim_now',
  terminated: 2,
};

/** What operators say of the limits of a tenant, and of its single users. */
export const LIMITS = {
  show: {
    summary: 'Shows the limits in force',
    answers: { 200: limitsAnswer },
    problems: STORE,
    example: { answer: LIMITS_SHOWN },
  },
  change: {
    summary: 'Changes the limits that the body names; the others stay',
    description:
      'Maps are merged, and null takes an entry out; observe is taken whole. With version the change is made on top of that version, or refused with 409.',
    body: limitsBody,
    answers: { 200: z.union([changedAnswer, z.strictObject(unchanged)]) },
    problems: CHANGE_PROBLEMS,
    example: {
      body: { max_sessions_per_user: 10, classes: { gold: 20 }, observe: ['ip'], reason: 'summer', version: 1 },
      answer: { success: true, message: 'Session limits changed', ...NOTHING_IN_USE },
    },
  },
  reset: {
    summary: 'Restores what the configuration file says; limits of single users and groups stay',
    body: changeBody,
    answers: { 200: changedAnswer },
    problems: CHANGE_PROBLEMS,
  },
  lendTotal: {
    summary: 'Sets a temporary limit of the total',
    description: 'So temporary-limit is no user name under this path; `/api/sessions/limits/-` reaches that user.',
    body: temporaryLimitBody,
    answers: { 200: z.strictObject(lent).meta({ id: 'TotalLent', description: UNTIL_THEN }) },
    problems: CHANGE_PROBLEMS,
    example: { body: FOR_A_WHILE, answer: LENT },
  },
  takeBackTotal: {
    summary: 'Ends the temporary limit of the total',
    body: changeBody,
    answers: { 200: z.strictObject({ limit: limitNumber(), ...changed }) },
    problems: CHANGE_PROBLEMS,
  },
  showNamed: {
    summary: 'Shows the limit of a user, as GET /api/sessions/limits/{username}, for any name exactly',
    description: EXACTLY,
    query: namedUserQuery,
    answers: { 200: userLimitAnswer },
    problems: STORE,
  },
  changeNamed: {
    summary: 'Sets the limit of a user, as PUT /api/sessions/limits/{username}, for any name exactly',
    description: EXACTLY,
    body: namedLimitBody,
    answers: { 200: userSetAnswer },
    problems: CHANGE_PROBLEMS,
  },
  resetNamed: {
    summary: 'Removes the limit of a user, as DELETE /api/sessions/limits/{username}, for any name exactly',
    description: EXACTLY,
    query: namedUserQuery,
    body: changeBody,
    answers: { 200: userChangedAnswer },
    problems: CHANGE_PROBLEMS,
  },
  showUser: {
    summary: 'Shows the limit of a user that is in force, also where it is that of a class or the default',
    params: userPath,
    answers: { 200: userLimitAnswer },
    problems: ['not-found', ...STORE],
    example: { answer: { username: 'alice', limit: 20, class: 'gold' } },
  },
  changeUser: {
    summary: 'Sets the limit of a user',
    params: userPath,
    body: userLimitBody,
    answers: { 200: userSetAnswer },
    problems: NAMED,
    example: { body: { limit: 3, reason: 'card blocked', on_lower: 'trim_now' }, answer: USER_SET },
  },
  resetUser: {
    summary: 'Removes the limit of a user: that of the file holds again, else that of the class, else the default',
    params: userPath,
    body: changeBody,
    answers: { 200: userChangedAnswer },
    problems: NAMED,
  },
} as const satisfies Record<string, OperationSpec>;

/** What else there is to a user's limit. */
export const USER_LIMITS = {
  classify: {
    summary: 'Gives a user a class',
    params: userPath,
    body: userClassBody,
    answers: { 200: userClassAnswer },
    problems: CHANGE_PROBLEMS,
    example: {
      body: { class: 'gold' },
      answer: {
        success: true,
        username: 'alice',
        class: 'gold',
        limit: 20,
        message: 'User alice is of class gold',
        ...NOTHING_IN_USE,
      },
    },
  },
  declassify: {
    summary: 'Removes the class of a user: that of the file holds again, else the one that an admission names',
    params: userPath,
    body: changeBody,
    answers: { 200: userChangedAnswer },
    problems: CHANGE_PROBLEMS,
  },
  lend: {
    summary: 'Sets a temporary limit of a user',
    params: userPath,
    body: temporaryLimitBody,
    answers: { 200: z.strictObject({ ...user, ...lent }).meta({ id: 'UserLent', description: UNTIL_THEN }) },
    problems: CHANGE_PROBLEMS,
    example: { body: FOR_A_WHILE, answer: { username: 'alice', ...LENT } },
  },
  takeBack: {
    summary: 'Ends the temporary limit of a user',
    params: userPath,
    body: changeBody,
    answers: { 200: userChangedAnswer },
    problems: CHANGE_PROBLEMS,
  },
} as const satisfies Record<string, OperationSpec>;
