import { uuidv7 } from 'uuidv7';

import { policyFor, type TenantConfig } from '#config';
import {
  groupParts,
  identify,
  InvalidInputError,
  type AdmissionRequest,
  type Decision,
  type SessionPolicy,
} from '#session-core';

import type { AdmissionBody } from './sessions.schema.js';

/** The question as the books are asked it. Throws InvalidInputError where the body does not say who the user is. */
export function admissionRequest(body: AdmissionBody, tenant: TenantConfig): AdmissionRequest {
  const { node = null, epoch = null } = body;
  return {
    sessionId: body.sessionId ?? uuidv7(),
    attempt: body.attempt,
    user: userOf(body, tenant),
    userClass: body.userClass ?? null,
    node,
    epoch: node === null ? null : epoch,
    state: body.state,
    priority: body.priority,
    groups: [...new Set(body.groups)],
    facts: {
      from: body.from ?? null,
      to: body.to ?? null,
      sourceIp: body.sourceIp ?? null,
      sourcePort: body.sourcePort ?? null,
      destination: body.destination ?? null,
      protocol: body.protocol,
      direction: body.direction ?? null,
      correlationId: body.correlationId ?? null,
      metadata: body.metadata ?? null,
    },
    policy: shortened(policyFor(tenant, body.protocol), body.ttlSeconds),
  };
}

/** Empty where a server does not know it yet: a connection that is to authenticate. A SIP call names its caller from the start. */
function userOf(body: AdmissionBody, { identity }: TenantConfig): string {
  const hasUser = [body.user, body.from, body.assertedIdentity].some(
    (text) => text !== undefined && text.trim() !== '',
  );
  if (!hasUser && body.protocol !== 'sip') return '';
  const identified = identify(body, identity);
  if (!identified.ok) throw new InvalidInputError(identified.path, identified.message);
  return identified.user;
}

/** `ttlSeconds` may only bring the hard end closer; 0 is no hard end. */
function shortened(policy: SessionPolicy, ttlSeconds: number | undefined): SessionPolicy {
  if (ttlSeconds === undefined) return policy;
  const ttlMs = ttlSeconds * 1_000;
  return policy.maxDurationMs > 0 && policy.maxDurationMs <= ttlMs ? policy : { ...policy, maxDurationMs: ttlMs };
}

const kindOf = (group: string) => groupParts(group).kind;

/** What was asked for and has no effect, for `warnings`. */
export function admissionWarnings(
  { groups, userClass, node, epoch }: AdmissionBody,
  { limits }: TenantConfig,
  decision: Decision,
): string[] {
  const limited =
    'limits' in decision ? decision.limits.flatMap(({ scope, key }) => (scope === 'group' ? [kindOf(key)] : [])) : [];
  const known = new Set([...Object.keys(limits.groups ?? {}), ...limited]);
  const unknown = new Set(groups.map(kindOf).filter((kind) => !known.has(kind)));
  const warnings = [...unknown].map(
    (kind) =>
      `groups: nobody configured the kind ${kind} in the file; tracked, and unlimited unless limits-admin has set a limit`,
  );
  if (userClass !== undefined && !Object.hasOwn(limits.classes ?? {}, userClass)) {
    warnings.push(
      `userClass: the configuration has no class ${userClass}; without effect unless limits-admin has set it`,
    );
  }
  if (epoch !== undefined && node === undefined) warnings.push('epoch: without effect, because no node is given');
  return warnings;
}
