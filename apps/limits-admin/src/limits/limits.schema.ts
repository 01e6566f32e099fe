import { z } from 'zod';

import {
  action,
  changeFields,
  className,
  flag,
  limit,
  limitKey,
  limitOrDigits,
  onLower,
  rate,
  reserve,
} from './fields.schema.js';
import type { SettingsChange } from './layer-edits.js';

const MAX_ENTRIES = 1_000;

/** The names that one setting is taken under. */
const SPELLINGS = [
  ['enabled', 'enable_session_limits', 'enableSessionLimits'],
  ['max_sessions_per_user', 'maxSessionsPerUser'],
  ['session_limit_action', 'sessionLimitAction'],
  ['max_total_sessions', 'maxTotalSessions'],
  ['total_limit_action', 'totalLimitAction'],
  ['max_sessions_per_ip_per_hour', 'maxSessionsPerIpPerHour'],
  ['user_rate', 'userRate'],
  ['session_creation_alert_threshold', 'sessionCreationAlertThreshold'],
  ['on_lower', 'onLower'],
] as const;

const few = (size: number) => size <= MAX_ENTRIES;
const tooMany = `must have at most ${MAX_ENTRIES} entries`;

/** The tenant's own settings; what is absent stays as it is. Maps are merged, and null takes an entry out; the list is taken whole. */
export const settingsFields = {
  enabled: flag().optional(),
  enable_session_limits: flag().optional(),
  enableSessionLimits: flag().optional(),
  max_sessions_per_user: limit().optional(),
  maxSessionsPerUser: limit().optional(),
  session_limit_action: action().optional(),
  sessionLimitAction: action().optional(),
  max_total_sessions: limit().optional(),
  maxTotalSessions: limit().optional(),
  total_limit_action: action().optional(),
  totalLimitAction: action().optional(),
  max_sessions_per_ip_per_hour: limit().optional(),
  maxSessionsPerIpPerHour: limit().optional(),
  user_rate: rate().optional(),
  userRate: rate().optional(),
  session_creation_alert_threshold: limit().optional(),
  sessionCreationAlertThreshold: limit().optional(),
  classes: z
    .record(className(), limit().nullable())
    .refine((classes) => few(Object.keys(classes).length), tooMany)
    .optional(),
  observe: z
    .array(limitKey())
    .refine((keys) => few(keys.length), tooMany)
    .optional(),
  reserves: z
    .record(limitKey(), reserve())
    .refine((reserves) => few(Object.keys(reserves).length), tooMany)
    .optional(),
};

/** Of settings that were given under several names, those that disagree. */
export function refuseDisagreement(body: Record<string, unknown>, context: z.core.$RefinementCtx): void {
  for (const spellings of SPELLINGS) {
    const [first, ...others] = spellings.filter((name) => body[name] !== undefined);
    for (const other of others) {
      if (first === undefined || JSON.stringify(body[other]) === JSON.stringify(body[first])) continue;
      context.addIssue({ code: 'custom', path: [other], message: `must say the same as ${first}, or be absent` });
    }
  }
}

type Settings = z.output<z.ZodObject<typeof settingsFields>>;

export function settingsOf(body: Settings): SettingsChange {
  const change: SettingsChange = {
    enabled: body.enabled ?? body.enable_session_limits ?? body.enableSessionLimits,
    maxSessionsPerUser: body.max_sessions_per_user ?? body.maxSessionsPerUser,
    action: body.session_limit_action ?? body.sessionLimitAction,
    maxTotalSessions: body.max_total_sessions ?? body.maxTotalSessions,
    totalAction: body.total_limit_action ?? body.totalLimitAction,
    maxSessionsPerIpPerHour: body.max_sessions_per_ip_per_hour ?? body.maxSessionsPerIpPerHour,
    userRate: body.user_rate === undefined ? body.userRate : body.user_rate,
    alertThreshold: body.session_creation_alert_threshold ?? body.sessionCreationAlertThreshold,
    classes: body.classes,
    observe: body.observe,
    reserves: body.reserves,
  };
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

const version = {
  error: () =>
    'must be the version that GET showed; the change is then made on top of that version, or refused with 409',
};

/** Body of `PUT /limits`. */
export const limitsBody = z
  .object({
    ...settingsFields,
    reason: changeFields.reason,
    on_lower: onLower().optional(),
    onLower: onLower().optional(),
    version: z.int(version).min(0, version).optional(),
  })
  .superRefine(refuseDisagreement)
  .transform((body) => ({
    settings: settingsOf(body),
    reason: body.reason,
    on_lower: body.on_lower ?? body.onLower ?? 'drain',
    version: body.version,
  }));

/** Body of `PUT /limits/:username`. Whether there is a limit at all the controller asks: callers know its sentence. */
export const userLimitBody = z.object({ limit: limitOrDigits().nullish(), ...changeFields });

const NAME_EXPECTED = { error: () => 'must be the name of the user' };

export type UserLimitBody = z.output<typeof userLimitBody>;

/** Body of `PUT /limits/-`. */
export const namedLimitBody = userLimitBody.extend({ username: z.string(NAME_EXPECTED) });

/** Query of `GET` and `DELETE /limits/-`. */
export const namedUserQuery = z.object({ username: z.string(NAME_EXPECTED) });

/** Body of `PUT /users/:username/class`. */
export const userClassBody = z.object({ class: className(), ...changeFields });
