import {
  type EffectiveLimits,
  type LimitKey,
  type LimitOrigin,
  type LimitsDocument,
  type LimitsLayer,
  type Rate,
  type Reserve,
  type TemporaryLimit,
} from '#session-core';
import { rfc3339 } from '#session-wire';

import { without } from './layer.js';
import type { CurrentLimits } from './limits.service.js';

/** Which layer the word in force comes from: the highest one that says anything. */
export type LimitsSource = 'api' | 'file' | 'default';

export interface OriginView {
  by: string;
  at: string;
  reason: string | null;
}

export interface TemporaryView {
  limit: number;
  expiresAt: string;
  by: string | null;
  reason: string | null;
}

/** The limits of a tenant as `GET /limits` shows them; the names are those that callers know. 0: unlimited. */
export function limitsView({ document, limits, nowMs }: CurrentLimits) {
  const { enabled, maxSessionsPerUser, action } = limits;
  const standard = Math.max(0, maxSessionsPerUser);
  const details = Object.entries(limits.details);
  return {
    enabled,
    enable_session_limits: enabled,
    max_sessions_per_user: standard,
    session_limit_action: action,
    max_total_sessions: Math.max(0, limits.maxTotalSessions),
    total_limit_action: limits.totalAction,
    max_sessions_per_ip_per_hour: Math.max(0, limits.maxSessionsPerIpPerHour),
    user_rate: rateView(limits.userRate),
    session_creation_alert_threshold: Math.max(0, limits.alertThreshold),
    classes: unlimitedAsZero(limits.classes),
    user_limits: { _default: standard, ...overridesOf(document) },
    observe: details.filter(([, { observe }]) => observe === true).map(([key]) => key),
    reserves: Object.fromEntries(
      details.flatMap(([key, { reserve = null }]) => (reserve && reserve.places > 0 ? [[key, reserve]] : [])),
    ) as Record<LimitKey, Reserve>,
    origins: Object.fromEntries(details.flatMap(([key, { origin }]) => (origin ? [[key, originView(origin)]] : []))),
    temporary: Object.fromEntries(
      details.flatMap(([key, { temporary }]) => {
        const shown = temporaryView(temporary, nowMs);
        return shown === null ? [] : [[key, shown]];
      }),
    ),
    source: isSet(document.api) ? 'api' : isSet(writtenLayer(document.file)) ? 'file' : 'default',
    version: document.version,
  } satisfies Record<string, unknown> & { source: LimitsSource };
}

/** A few lines of it, for lists of tenants. */
export function limitsSummary({ enabled, maxSessionsPerUser, action, maxTotalSessions, version }: EffectiveLimits) {
  return {
    enabled,
    max_sessions_per_user: Math.max(0, maxSessionsPerUser),
    session_limit_action: action,
    max_total_sessions: Math.max(0, maxTotalSessions),
    version,
  };
}

/** The users with a limit of their own, set by API or file; 0: unlimited. */
export function overridesOf({ file, api }: LimitsDocument): Record<string, number> {
  return unlimitedAsZero({ ...writtenLayer(file).users, ...api.users });
}

export function rateView(rate: Rate | null | undefined) {
  return rate && rate.perSecond > 0 ? { per_second: rate.perSecond, burst: rate.burst } : null;
}

export function originView({ by, atMs, reason }: LimitOrigin): OriginView {
  return { by, at: rfc3339(atMs), reason };
}

/** Null for one that has expired. */
export function temporaryView(temporary: TemporaryLimit | null | undefined, nowMs: number): TemporaryView | null {
  if (!temporary || temporary.untilMs <= nowMs) return null;
  const { max, untilMs, origin } = temporary;
  return {
    limit: Math.max(0, max),
    expiresAt: rfc3339(untilMs),
    by: origin?.by ?? null,
    reason: origin?.reason ?? null,
  };
}

function unlimitedAsZero(limits: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, Math.max(0, limit)]));
}

const ANONYMOUS = 'anonymous';

/** The file layer without the unlimited anonymous user, who is there though no file named him. */
function writtenLayer(file: LimitsLayer): LimitsLayer {
  const users = Object.entries(file.users ?? {}).filter(([user, limit]) => user !== ANONYMOUS || limit > 0);
  return { ...file, users: Object.fromEntries(users) };
}

function isSet(layer: LimitsLayer): boolean {
  return Object.keys(without(layer)).length > 0;
}
