import { z } from 'zod';

import { DEFAULT_LIMITS, LIMIT_ACTIONS } from '#session-core';

import { flag, limit, mapOf, oneOf, section, setting, text } from './fields.schema.js';
import { groupKind, rate, reserve, SHORT_NAME } from './groups.schema.js';

const KEYS = '`user`, `user:<name>`, `class:<class>`, `total`, `kind:<kind>`, `group:<kind>:<name>`, `ip`';

const limitKey = () => text('the name of a limit, such as user, total or kind:trunk');

export const userLimits = () => mapOf(limit(), 'a user name', /^.+$/s);

/** How many sessions may live at once. Every limit: zero or below is unlimited. */
export const limitsSection = section({
  enabled: setting(flag().optional(), {
    text: 'False tracks every session and refuses none.',
    default: DEFAULT_LIMITS.enabled,
  }),
  max_sessions_per_user: setting(limit().optional(), {
    text: 'Limit of every user without one of their own or of their class.',
    unit: 'sessions',
    default: DEFAULT_LIMITS.maxSessionsPerUser,
  }),
  user_session_limits: setting(userLimits().optional(), {
    text: 'Limits of single users by name.',
    unit: 'sessions',
    default: {},
  }),
  session_limit_action: setting(oneOf(LIMIT_ACTIONS).optional(), {
    text: 'What happens at the limit of a user: the new session is refused, or the oldest make room.',
    default: DEFAULT_LIMITS.action,
  }),
  classes: setting(mapOf(limit(), 'a class name (a-z, 0-9, -; at most 32)', SHORT_NAME).optional(), {
    text: 'Limits of the users of a class. The class of a user is set by API, or named by the server that asks (`userClass`).',
    unit: 'sessions',
    default: {},
  }),
  max_total_sessions: setting(limit().optional(), {
    text: 'Limit of the whole tenant. Needs one shard, as do the limits of groups and addresses and the alert below.',
    unit: 'sessions',
    default: 0,
  }),
  total_limit_action: setting(oneOf(LIMIT_ACTIONS).optional(), {
    text: 'As `session_limit_action`, at the limit of the whole tenant.',
    default: 'reject',
  }),
  groups: setting(mapOf(groupKind, 'a group kind (a-z, 0-9, -; at most 32)', SHORT_NAME).optional(), {
    text: 'Limits of groups by kind: trunks, carriers, customers, whatever sessions say they are in. No session may say the kind `priority`.',
    default: {},
  }),
  max_sessions_per_ip_per_hour: setting(limit().optional(), {
    text: 'New sessions of one source address (IPv6: one /64) within any hour.',
    unit: 'sessions/h',
    default: 0,
  }),
  user_rate: setting(rate.optional(), { text: 'How fast sessions of each user may start.', default: 'none' }),
  session_creation_alert_threshold: setting(limit().optional(), {
    text: 'New sessions of the tenant within an hour above which an alert is raised; nothing is refused.',
    unit: 'sessions/h',
    default: 0,
  }),
  observe: setting(z.array(limitKey(), { error: () => 'a list' }).optional(), {
    text: `Limits that are measured and shown but refuse no session: ${KEYS}.`,
    default: [],
  }),
  reserves: setting(mapOf(reserve, 'the name of a limit', /^.+$/s).optional(), {
    text: 'Slots of a limit that are kept for the sessions of a group: of `total`, `kind:<kind>`, `group:<kind>:<name>` (these at most 10000 large).',
    default: {},
  }),
});

export type LimitsSection = z.output<typeof limitsSection>;
