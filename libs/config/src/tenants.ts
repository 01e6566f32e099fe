import { userOfCalls, type SessionPolicy } from '#session-core';

import type { IdentityConfig, TenantConfig, Tenants } from './berth.config.js';
import type { EnvironmentSettings } from './environment.config.js';
import { checkLimits } from './check-limits.js';
import { inheritable, limitsOver } from './limits-inheritance.js';
import { layerOfSection, definedOnly } from './limits-layer.js';
import { limitsOfFile } from './limits-of-file.js';
import type { FileSettings, TenantSection } from './schema/file.schema.js';
import type { IdentitySection } from './schema/sip.schema.js';
import { DEFAULT_POLICIES, DEFAULT_TOMBSTONE_MS, mergePolicies } from './session-policies.js';

const ANONYMOUS = 'anonymous';

/**
 * The tenants of the file, always with `default`, which is what the sections at the top describe.
 *
 * The others take from there what they do not say, but nothing about single users and single groups: those are others.
 */
export function resolveTenants(
  file: FileSettings,
  written: Record<string, unknown>,
  env: EnvironmentSettings,
  problems: string[],
  warnings: string[],
): Tenants {
  const identity = identityOver({ case: 'fold', domain: 'drop', userFrom: 'from', anonymousLimit: 0 }, file.identity);
  const limitsWritten = Object.keys((written['limits'] as object | undefined) ?? {}).length > 0;
  const own = file.tenants['default'];
  const limits = limitsOfFile(
    file.redis,
    file.limits,
    limitsWritten,
    identityOver(identity, own?.identity),
    problems,
    warnings,
  );
  const root: TenantConfig = {
    name: 'default',
    shards: 1,
    limits,
    sessions: mergePolicies(DEFAULT_POLICIES, file.sessions, 'sessions', problems),
    tombstoneMs: file.sessions.tombstone ?? DEFAULT_TOMBSTONE_MS,
    identity,
  };
  const merged = overEnvironment(own === undefined ? root : tenantOver(root, 'default', own, problems), env);
  const others = Object.entries(file.tenants)
    .filter(([name]) => name !== 'default')
    .map(([name, section]) => tenantOver(overEnvironment(root, env), name, section, problems));
  warnAboutDisabled(root, [merged, ...others], warnings);
  const tenants = {
    ...Object.fromEntries(others.map((tenant) => [tenant.name, withAnonymous(tenant)])),
    default: withAnonymous(merged),
  };
  checkLimits(tenants, problems, warnings);
  for (const tenant of Object.values(tenants)) warnAboutDomains(tenant, warnings);
  return tenants;
}

function tenantOver(base: TenantConfig, name: string, section: TenantSection, problems: string[]): TenantConfig {
  const path = `tenants.${name}`;
  const identity = identityOver(base.identity, section.identity);
  const ownLayer = layerOfSection(section.limits, identity, `${path}.limits`, problems);
  const inherited = name === base.name ? base.limits : inheritable(base.limits, ownLayer);
  return {
    name,
    shards: section.shards,
    limits: limitsOver(inherited, ownLayer, section.limits.observe !== undefined),
    sessions: mergePolicies(base.sessions, section.sessions, `${path}.sessions`, problems),
    tombstoneMs: section.sessions.tombstone ?? base.tombstoneMs,
    identity,
  };
}

function overEnvironment(tenant: TenantConfig, env: EnvironmentSettings): TenantConfig {
  const { MAX_SESSIONS_PER_USER: max, SESSION_TTL_SECONDS: ttl } = env;
  const timed = (protocol: string): Record<string, SessionPolicy> => {
    const policy = tenant.sessions[protocol];
    return ttl === undefined || policy === undefined ? {} : { [protocol]: { ...policy, maxDurationMs: ttl } };
  };
  return {
    ...tenant,
    limits: definedOnly({ ...tenant.limits, maxSessionsPerUser: max ?? tenant.limits.maxSessionsPerUser }),
    sessions: { ...tenant.sessions, ...timed('default'), ...timed('web') },
  };
}

/** Anonymous callers are one user, whose limit is not that of a person. A limit written for that name wins. */
function withAnonymous(tenant: TenantConfig): TenantConfig {
  const users = { [ANONYMOUS]: tenant.identity.anonymousLimit, ...tenant.limits.users };
  return { ...tenant, limits: { ...tenant.limits, users } };
}

function warnAboutDisabled(root: TenantConfig, tenants: TenantConfig[], warnings: string[]): void {
  for (const { name, limits } of tenants) {
    const isExplained =
      root.limits.enabled === false && warnings.some((warning) => warning.startsWith('SESSION LIMITS ARE OFF'));
    if (limits.enabled !== false || (isExplained && name === 'default')) continue;
    warnings.push(`SESSION LIMITS ARE OFF for tenant ${name}: sessions are tracked and none is refused`);
  }
}

function identityOver(base: IdentityConfig, section: IdentitySection | undefined): IdentityConfig {
  return {
    case: section?.case ?? base.case,
    domain: section?.domain ?? base.domain,
    userFrom: section?.user_from ?? base.userFrom,
    anonymousLimit: section?.anonymous ?? base.anonymousLimit,
  };
}

/** A limit for `alice@example.com` concerns no call where domains do not count; it may be meant for a user that is given outright so. */
function warnAboutDomains({ name, limits, identity }: TenantConfig, warnings: string[]): void {
  const ofDetails = Object.keys(limits.details ?? {}).flatMap((key) => (key.startsWith('user:') ? [key.slice(5)] : []));
  for (const user of new Set([
    ...Object.keys(limits.users ?? {}),
    ...Object.keys(limits.userClasses ?? {}),
    ...ofDetails,
  ])) {
    const ofCalls = userOfCalls(user, identity);
    if (ofCalls === null) continue;
    warnings.push(
      `Tenant ${name}: domains do not count (identity.domain: drop), so calls from ${user} are of user ${ofCalls}, and the limit of ${user} ` +
        `concerns only sessions whose user is given outright as that; for calls write it for ${ofCalls}`,
    );
  }
}
