import { z } from 'zod';

import { LIMIT_ACTIONS } from '#session-core';
import { time, warned } from '#session-wire';

import { count, message, success } from '../answers.schema.js';
import { ON_LOWER } from './fields.schema.js';

/** What answers say of limits. */

export const limitNumber = () => count().describe('0: unlimited');
export const actionWord = () => z.enum(LIMIT_ACTIONS).describe('What happens where it is full');
export const limitKeyText = () =>
  z.string().describe('total, user, user:alice, class:gold, kind:trunk, group:trunk:west or ip');

export const rateAnswer = z
  .strictObject({ per_second: z.number().positive(), burst: z.int().min(1).describe('So many may come at once') })
  .meta({ id: 'Rate', description: 'Admissions per second' });

export const reserveAnswer = z
  .strictObject({ group: z.string().describe('kind:name'), places: z.int().min(1) })
  .meta({ id: 'Reserve', description: 'Places that only the sessions of a group may take' });

export const originAnswer = z
  .strictObject({
    by: z.string().describe('The id of the key; local where no keys are set'),
    at: time(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'Origin', description: 'Who set it through the API, when and why' });

export const temporaryAnswer = z
  .strictObject({
    limit: limitNumber(),
    expiresAt: time().describe('Then what it covers holds again'),
    by: z.string().nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'TemporaryLimit', description: 'A limit that covers another one for a while' });

const overUsed = z
  .strictObject({
    key: z.string().describe('total, user:alice or group:trunk:west'),
    limit: count(),
    activeSessions: count(),
    over: z.int().min(1).describe('So many sessions above the limit'),
    observed: z.literal(true).optional().describe('It is only measured: nothing is refused, and nothing ended'),
    class_unknown: z
      .literal(true)
      .optional()
      .describe('An admission may have named a class with a larger limit: nothing is ended'),
  })
  .meta({ id: 'OverUsed', description: 'A limit that has more live sessions than it allows' });

/** What a change has left above its limits, and what becomes of it. */
export const consequences = {
  in_use: z.array(overUsed).describe('Counted before anything was ended; at most 1,000, those furthest above first'),
  in_use_omitted: z.int().min(1).optional().describe('So many more'),
  on_lower: z.enum(ON_LOWER).describe('drain: they end by themselves. trim_now: they were ended at once'),
  terminated: count().optional().describe('With trim_now: sessions that were ended'),
};

/** Members of every change that was made. */
export const changed = { success: success(), message: message(), ...consequences, ...warned };

/** Members of every temporary limit that was set. */
export const lent = {
  success: success(),
  limit: limitNumber(),
  expiresAt: time().describe('Then what it covers holds again'),
  reason: z.string().nullable(),
  ...consequences,
  ...warned,
};

/** Where the body named nothing to change. */
export const unchanged = { success: success(), message: message(), ...warned };

/** The limit of a user that is in force. */
export const userLimitFields = {
  limit: limitNumber().describe('In force, whosever it is; 0: unlimited'),
  class: z.string().optional().describe('That the tenant gave'),
  temporary: temporaryAnswer.optional(),
  origin: originAnswer.optional(),
};

/** A change as answers show it where it touched nothing in use. */
export const NOTHING_IN_USE = { in_use: [], on_lower: 'drain' } as const;
