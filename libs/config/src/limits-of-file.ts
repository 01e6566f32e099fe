import type { IdentityRules, LimitsLayer } from '#session-core';

import { canonicalLimits, layerOfSection } from './limits-layer.js';
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

/** What `limits:` says, over what the `redis:` block says. Absent keys say nothing. */
export function limitsOfFile(
  redis: RedisSection,
  limits: LimitsSection,
  limitsWritten: boolean,
  rules: IdentityRules,
  problems: string[],
  warnings: string[],
): LimitsLayer {
  const enabled = limits.enabled ?? enabledByRedisBlock(redis, limitsWritten, warnings);
  const ofRedis = canonicalLimits(redis.user_session_limits, rules, 'redis.user_session_limits', problems);
  const layer = layerOfSection(
    {
      ...limits,
      enabled,
      max_sessions_per_user: limits.max_sessions_per_user ?? redis.max_sessions_per_user,
      session_limit_action: limits.session_limit_action ?? redis.session_limit_action,
    },
    rules,
    'limits',
    problems,
  );
  return { ...layer, users: { ...ofRedis, ...layer.users } };
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
