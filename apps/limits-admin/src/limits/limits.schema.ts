import { z } from 'zod';

import { LIMIT_ACTIONS, type LimitsLayer } from '#session-core';

const MAX_LIMIT = 1_000_000_000;

const expecting = (expected: string) => ({ error: () => `must be ${expected}` });

/** Zero or below is unlimited and is kept as 0. */
function limit() {
  const expected = expecting(`a whole number up to ${MAX_LIMIT}; 0 or below for unlimited`);
  return z
    .int(expected)
    .max(MAX_LIMIT, expected)
    .transform((value) => Math.max(0, value));
}

const flag = () => z.boolean(expecting('true or false')).optional();
const action = () => z.enum(LIMIT_ACTIONS, expecting(LIMIT_ACTIONS.map((word) => `"${word}"`).join(' or '))).optional();

/** The names that one setting is taken under. */
const SPELLINGS = [
  ['enabled', 'enable_session_limits', 'enableSessionLimits'],
  ['max_sessions_per_user', 'maxSessionsPerUser'],
  ['session_limit_action', 'sessionLimitAction'],
] as const;

/** Body of `PUT /limits`; what is absent stays as it is. */
export const limitsBody = z
  .object({
    enabled: flag(),
    enable_session_limits: flag(),
    enableSessionLimits: flag(),
    max_sessions_per_user: limit().optional(),
    maxSessionsPerUser: limit().optional(),
    session_limit_action: action(),
    sessionLimitAction: action(),
  })
  .superRefine((body, context) => {
    for (const spellings of SPELLINGS) {
      const [first, ...others] = spellings.filter((name) => body[name] !== undefined);
      for (const other of others) {
        if (first === undefined || body[other] === body[first]) continue;
        context.addIssue({ code: 'custom', path: [other], message: `must say the same as ${first}, or be absent` });
      }
    }
  })
  .transform((body): LimitsLayer => ({
    enabled: body.enabled ?? body.enable_session_limits ?? body.enableSessionLimits,
    maxSessionsPerUser: body.max_sessions_per_user ?? body.maxSessionsPerUser,
    action: body.session_limit_action ?? body.sessionLimitAction,
  }));

const digits = (value: unknown) =>
  typeof value === 'string' && /^\s*[+-]?\d{1,15}\s*$/.test(value) ? Number(value) : value;

/** Body of `PUT /limits/:username`. Whether there is a limit at all the controller asks: callers know its sentence. */
export const userLimitBody = z.object({ limit: z.preprocess(digits, limit()).nullish() });
