import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

import type { AuthKey, BerthConfig } from '#config';

import { ProblemException } from '../problems/problem.js';
import type { Principal } from './principal.js';

export interface NewKey {
  /** What the caller sends as `Authorization: Bearer …`; it is kept nowhere. */
  key: string;
  /** What goes into the configuration. */
  hash: string;
}

/** A key of 32 random bytes. */
export function newKey(): NewKey {
  const key = randomBytes(32).toString('base64url');
  return { key, hash: `sha256:${digestOf(key).toString('hex')}` };
}

/** What is wrong with a key: there is none, it is not written as one, or nobody has it. */
export const KEY_FAULTS = ['missing', 'malformed', 'unknown'] as const;
export type KeyFault = (typeof KEY_FAULTS)[number];

export class KeyRefused extends ProblemException {
  constructor(
    readonly fault: KeyFault,
    detail: string,
    challenge: string,
  ) {
    super('unauthorized', detail, { headers: { 'WWW-Authenticate': challenge } });
  }
}

export interface Credentials {
  /** The header `Authorization`. */
  authorization: string | undefined;
  /** The header `Berth-Tenant`. */
  tenant: string | undefined;
}

/**
 * Who calls, and for which tenant: that of the key; without keys the header `Berth-Tenant`, else `default`.
 *
 * Throws `KeyRefused` (`unauthorized`) without a key that is known, `forbidden` for another's tenant and for one that is not configured.
 */
export function authenticate(
  config: Pick<BerthConfig, 'auth' | 'tenants'>,
  { authorization, tenant }: Credentials,
): Principal {
  const { keys } = config.auth;
  if (keys.length === 0) return anybody(config, tenant);
  const key = findKey(keys, authorization);
  if (!Object.hasOwn(config.tenants, key.tenant)) {
    // The key came with a file that was read again, its tenant takes a restart.
    throw new ProblemException(
      'forbidden',
      `The tenant ${key.tenant} of this key is not served yet; restart this process`,
    );
  }
  if (tenant !== undefined && tenant !== key.tenant) {
    throw new ProblemException(
      'forbidden',
      `This key speaks for the tenant ${key.tenant}; leave out the header Berth-Tenant`,
    );
  }
  const { id, role, nodes } = key;
  const principal = { id, role, tenant: key.tenant, nodes, emergency: key.emergency || role === 'admin' };
  keysOf.set(principal, key);
  return principal;
}

/** By which key a caller was let in. Not in the principal itself, which may be shown. */
const keysOf = new WeakMap<Principal, AuthKey>();

/** Whether the key of a caller whom `authenticate` let in is still there and says the same; without keys whether there still are none. */
export function isStillKnown({ auth }: Pick<BerthConfig, 'auth'>, caller: Principal): boolean {
  const key = keysOf.get(caller);
  return key === undefined ? auth.keys.length === 0 : auth.keys.includes(key);
}

function anybody(config: Pick<BerthConfig, 'tenants'>, tenant = 'default'): Principal {
  if (!Object.hasOwn(config.tenants, tenant)) {
    throw new ProblemException(
      'forbidden',
      'The header Berth-Tenant names a tenant that is not configured; add it under tenants:',
    );
  }
  return { id: 'local', role: 'admin', tenant, nodes: null, emergency: true };
}

function findKey(keys: readonly AuthKey[], authorization: string | undefined): AuthKey {
  const token = /^Bearer +([A-Za-z0-9._~+/-]{1,256}=*) *$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) {
    const fault = authorization === undefined ? 'missing' : 'malformed';
    throw new KeyRefused(fault, 'Send Authorization: Bearer and a key', 'Bearer');
  }
  const digest = digestOf(token);
  // Every key is compared, in constant time, so that an answer's delay tells nothing about which ones there are.
  let found: AuthKey | undefined;
  for (const key of keys) {
    if (timingSafeEqual(digest, Buffer.from(key.hash, 'hex'))) found = key;
  }
  if (found === undefined) throw new KeyRefused('unknown', 'This key is not known', 'Bearer error="invalid_token"');
  return found;
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
