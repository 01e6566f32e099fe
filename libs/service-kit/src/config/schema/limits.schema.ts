import type { z } from 'zod';

import { DEFAULT_LIMITS, LIMIT_ACTIONS } from '#session-core';

import { flag, limit, mapOf, oneOf, section, setting } from './fields.schema.js';

const NAME = /^[a-z0-9-]{1,32}$/;

export const userLimits = () => mapOf(limit(), 'a user name', /^.+$/s);

const group = section({
  default: setting(limit().default(0), { text: 'Limit of each group of this kind.', unit: 'sessions' }),
  overrides: setting(mapOf(limit(), 'a group name', /^.+$/s).default({}), { text: 'Limits of single groups by name.' }),
});

/** How many sessions may live at once. Every limit: zero or below is unlimited. */
export const limitsSection = section({
  enabled: setting(flag().optional(), {
    text: 'False tracks every session and refuses none.',
    default: DEFAULT_LIMITS.enabled,
  }),
  max_sessions_per_user: setting(limit().optional(), {
    text: 'Limit of every user without one of their own.',
    unit: 'sessions',
    default: DEFAULT_LIMITS.maxSessionsPerUser,
  }),
  user_session_limits: setting(userLimits().optional(), {
    text: 'Limits of single users by name.',
    unit: 'sessions',
    default: {},
  }),
  session_limit_action: setting(oneOf(LIMIT_ACTIONS).optional(), {
    text: 'What happens at the limit: the new session is refused, or the oldest make room.',
    default: DEFAULT_LIMITS.action,
  }),
  max_total_sessions: setting(limit().default(0), {
    text: 'Limit of the whole tenant. Not enforced by this version: must be 0.',
    unit: 'sessions',
  }),
  classes: setting(mapOf(limit(), 'a class name', NAME).default({}), {
    text: 'Limits of user classes. Not enforced by this version: must be empty.',
    unit: 'sessions',
  }),
  groups: setting(mapOf(group, 'a group kind (a-z, 0-9, -; at most 32)', NAME).default({}), {
    text: 'Limits of groups by kind. Not enforced by this version: must be unlimited.',
  }),
  max_sessions_per_ip_per_hour: setting(limit().default(0), {
    text: 'New sessions of one source address in an hour. Not enforced by this version: must be 0.',
    unit: 'sessions/h',
  }),
  session_creation_alert_threshold: setting(limit().default(0), {
    text: 'Raises an alert above this. Not in this version: must be 0.',
    unit: 'sessions/h',
  }),
});

export type LimitsSection = z.output<typeof limitsSection>;
