import { isDeepStrictEqual } from 'node:util';

import { isSameIdentity } from '#session-core';

import type { BerthConfig, HttpTls, RedisTls, TenantConfig } from '../berth.config.js';

/**
 * Puts into `config`, which every part of the process holds, what may change while it runs: limits, session policies, keys, the level of the
 * log and the contents of PEM files. Everything else stays as it was at the start.
 *
 * Returns what waits all the same, because it goes with something that takes a restart, in words for the operator.
 */
export function takeOver(config: BerthConfig, next: BerthConfig): string[] {
  const tenants = Object.values(config.tenants);
  const held = tenants.flatMap((tenant) => {
    const renewed = next.tenants[tenant.name];
    return renewed === undefined || takeOverTenant(tenant, renewed)
      ? []
      : [
          `The limits of tenant ${tenant.name} wait for the restart that its identity takes: they name users by other rules`,
        ];
  });
  // A file that was cut off, by a full disk perhaps, must not open the service to everybody on this machine.
  const losesAll = config.auth.keys.length > 0 && next.auth.keys.length === 0;
  if (losesAll) held.push('The keys stay until a restart: without any, everybody on this machine would be let in');
  const keys = losesAll ? config.auth.keys : next.auth.keys;
  // A key that says the same stays the same object: by that its open streams are distinguished from those of a key that is gone.
  config.auth.keys = keys.map((key) => config.auth.keys.find((old) => isDeepStrictEqual(old, key)) ?? key);
  config.logging.level = next.logging.level;
  config.http.tls = tlsOver(config.http.tls, next.http.tls);
  config.grpc.tls = tlsOver(config.grpc.tls, next.grpc.tls);
  takeOverFiles(config.redis.tls, next.redis.tls);
  takeOverFiles(config.redis.sentinel?.tls, next.redis.sentinel?.tls);
  for (const { id, tenant } of config.auth.keys) {
    if (!Object.hasOwn(config.tenants, tenant))
      held.push(`The key ${id} is refused before the restart that its tenant ${tenant} takes`);
  }
  return held;
}

/** False where the limits are written by other identity rules; the rest is taken over all the same. */
function takeOverTenant(tenant: TenantConfig, { limits, sessions, tombstoneMs, identity }: TenantConfig): boolean {
  Object.assign(tenant, { sessions, tombstoneMs });
  if (!isSameIdentity(tenant.identity, identity)) return false;
  if (!isDeepStrictEqual(tenant.limits, limits)) tenant.limits = limits;
  tenant.identity.anonymousLimit = identity.anonymousLimit;
  return true;
}

/** Whether there is TLS, and whether clients are asked for certificates, is settled when the server starts. */
function tlsOver(tls: HttpTls | null, next: HttpTls | null): HttpTls | null {
  if (tls === null || next === null) return tls;
  const clientCa = tls.clientCa === null ? null : (next.clientCa ?? tls.clientCa);
  const over = { ...next, clientCa };
  return isDeepStrictEqual(tls, over) ? tls : over;
}

/** Connections hold the object, and read it whenever they connect. */
function takeOverFiles(tls: RedisTls | null | undefined, next: RedisTls | null | undefined): void {
  if (tls && next) Object.assign(tls, { ca: next.ca, cert: next.cert, key: next.key });
}
