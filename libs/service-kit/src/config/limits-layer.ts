import { canonicalUser, type IdentityRules, type LimitsLayer } from '#session-core';

import type { LimitsSection } from './schema/limits.schema.js';
import type { RedisSection } from './schema/redis.schema.js';

/** Keys that only the block of the session limits guide has; Berth's own `redis:` block names a connection and nothing else. */
const GUIDE_KEYS = [
  'max_sessions_per_user',
  'user_session_limits',
  'session_limit_action',
  'enabled',
  'pool_size',
  'min_idle_conns',
] as const;

/** What `limits:` says, over what the `redis:` block says. Absent is "not said". */
export function limitsOfFile(
  redis: RedisSection,
  limits: LimitsSection,
  limitsWritten: boolean,
  rules: IdentityRules,
  problems: string[],
  warnings: string[],
): LimitsLayer {
  const enabled = limits.enabled ?? enabledByRedisBlock(redis, limitsWritten, warnings);
  const users = {
    ...canonicalLimits(redis.user_session_limits, rules, 'redis.user_session_limits', problems),
    ...canonicalLimits(limits.user_session_limits, rules, 'limits.user_session_limits', problems),
  };
  return layer({
    enabled,
    maxSessionsPerUser: limits.max_sessions_per_user ?? redis.max_sessions_per_user,
    action: limits.session_limit_action ?? redis.session_limit_action,
    users,
  });
}

function enabledByRedisBlock(redis: RedisSection, limitsWritten: boolean, warnings: string[]): boolean | undefined {
  if (redis.enable_session_limits === false) {
    warnings.push(
      'SESSION LIMITS ARE OFF: redis.enable_session_limits is false; sessions are tracked and none is refused',
    );
  }
  if (redis.enable_session_limits !== undefined) return redis.enable_session_limits;
  // A guide's block without the key means off there. A `limits:` section is written to be obeyed, so it lifts that default.
  const ofGuide = GUIDE_KEYS.find((key) => redis[key] !== undefined);
  if (ofGuide === undefined || limitsWritten) return undefined;
  warnings.push(
    `SESSION LIMITS ARE OFF: redis.${ofGuide} is there but redis.enable_session_limits is not, and it is false unless said; ` +
      'sessions are tracked and none is refused. Write redis.enable_session_limits: true to enforce limits',
  );
  return false;
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

/** Without the keys that were not said, so that two equal files give equal documents. */
export function layer(said: LimitsLayer): LimitsLayer {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}
