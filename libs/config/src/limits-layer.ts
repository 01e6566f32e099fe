import {
  canonicalUser,
  type GroupKindLimits,
  type IdentityRules,
  type LimitDetails,
  type LimitsLayer,
} from '#session-core';

import type { LimitsSection } from './schema/limits.schema.js';

type KindSection = NonNullable<LimitsSection['groups']>[string];
type RateSection = NonNullable<LimitsSection['user_rate']>;

const USER_KEY = 'user:';

/** What one `limits:` section says, users in canonical form. `path` is that of the section. */
export function layerOfSection(
  section: LimitsSection,
  rules: IdentityRules,
  path: string,
  problems: string[],
): LimitsLayer {
  return definedOnly<LimitsLayer>({
    enabled: section.enabled,
    maxSessionsPerUser: section.max_sessions_per_user,
    action: section.session_limit_action,
    users: canonicalLimits(section.user_session_limits, rules, `${path}.user_session_limits`, problems),
    classes: section.classes,
    maxTotalSessions: section.max_total_sessions,
    totalAction: section.total_limit_action,
    groups: section.groups && mapValues(section.groups, kindLayer),
    maxSessionsPerIpPerHour: section.max_sessions_per_ip_per_hour,
    userRate: section.user_rate && rateOf(section.user_rate),
    alertThreshold: section.session_creation_alert_threshold,
    details: detailsOf(section, rules, path, problems),
  });
}

/** Limits by canonical user name. Two spellings of one user with different limits are a problem. */
export function canonicalLimits(
  written: Record<string, number> | undefined,
  rules: IdentityRules,
  path: string,
  problems: string[],
): Record<string, number> {
  const byUser = new Map<string, { spelling: string; limit: number }>();
  for (const [spelling, limit] of Object.entries(written ?? {})) {
    const canonical = canonicalUser(spelling, rules);
    if (!canonical.ok) {
      problems.push(`${path}.${spelling}: ${canonical.message}`);
      continue;
    }
    const other = byUser.get(canonical.user);
    if (other !== undefined && other.limit !== limit) {
      problems.push(
        `${path}: "${other.spelling}" and "${spelling}" are one user, ${canonical.user}, but have the limits ${other.limit} and ${limit}`,
      );
    }
    byUser.set(canonical.user, { spelling, limit });
  }
  return Object.fromEntries([...byUser].map(([user, { limit }]) => [user, limit]));
}

/** Without the keys that are absent, so that two equal files give equal documents. */
export function definedOnly<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

export function mapValues<T, R>(byName: Record<string, T>, of: (value: T, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(byName).map(([name, value]) => [name, of(value, name)]));
}

function kindLayer({ rate, rates, ...given }: KindSection): GroupKindLimits {
  return definedOnly<GroupKindLimits>({
    ...given,
    rate: rate && rateOf(rate),
    rates: rates && mapValues(rates, rateOf),
  });
}

function rateOf({ per_second: perSecond, burst }: RateSection) {
  return { perSecond, burst };
}

function detailsOf(
  { observe = [], reserves = {} }: LimitsSection,
  rules: IdentityRules,
  path: string,
  problems: string[],
): Record<string, LimitDetails> | undefined {
  const details = new Map<string, LimitDetails>();
  const add = (written: string, at: string, given: LimitDetails) => {
    const key = canonicalKey(written, rules, at, problems);
    details.set(key, { ...details.get(key), ...given });
  };
  for (const [n, key] of observe.entries()) add(key, `${path}.observe[${n}]`, { observe: true });
  for (const [key, reserve] of Object.entries(reserves)) add(key, `${path}.reserves.${key}`, { reserve });
  return details.size === 0 ? undefined : Object.fromEntries(details);
}

/** `user:Alice` is the limit of alice. Whether the other keys name a limit is asked of the whole. */
function canonicalKey(written: string, rules: IdentityRules, path: string, problems: string[]): string {
  if (!written.startsWith(USER_KEY) || written === USER_KEY) return written;
  const canonical = canonicalUser(written.slice(USER_KEY.length), rules);
  if (canonical.ok) return USER_KEY + canonical.user;
  problems.push(`${path}: ${canonical.message}`);
  return written;
}
