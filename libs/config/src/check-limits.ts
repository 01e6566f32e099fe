import { effectiveLimits, limitProblems, limitWarnings } from '#session-core';

import type { TenantConfig } from './berth.config.js';

/**
 * What makes the limits of a tenant impossible, and where there is nothing of that, what an operator should know of them.
 *
 * What `default` passes on to others is a problem once, at the top.
 */
export function checkLimits(
  tenants: Record<string, TenantConfig> & { default: TenantConfig },
  problems: string[],
  warnings: string[],
): void {
  const { default: top, ...others } = tenants;
  const ofTop = problemsOf(top);
  problems.push(...ofTop.map((problem) => `limits.${problem}`));
  for (const tenant of Object.values(others)) {
    const own = problemsOf(tenant).filter((problem) => !ofTop.includes(problem));
    problems.push(...own.map((problem) => `tenants.${tenant.name}.limits.${problem}`));
  }
  if (problems.length > 0) return;
  for (const { name, limits } of Object.values(tenants)) {
    const found = limitWarnings(effectiveLimits({ version: 0, file: limits, api: {} }));
    warnings.push(...found.map((warning) => `Limits of tenant ${name}: ${warning}`));
  }
}

function problemsOf({ limits, shards }: TenantConfig): string[] {
  const effective = effectiveLimits({ version: 0, file: limits, api: {} });
  return limitProblems(effective, shards).map(({ path, message }) => `${path}: ${message}`);
}
