import { DAY_MS, HOUR_MS } from '#basics';
import type { SessionPolicy } from '#session-core';

import { PROTOCOL, type ProtocolPolicy, type SessionsSection } from './schema/sessions.schema.js';

const RESERVATION_MS = 180_000;

export const DEFAULT_TOMBSTONE_MS = 60_000;

/** A silent call is not an idle one: calls have no idle time. SSH sessions may last for ever while they are used. */
export const DEFAULT_POLICIES: Readonly<Record<'default' | 'sip' | 'ssh' | 'web', SessionPolicy>> = {
  default: { idleMs: 0, maxDurationMs: DAY_MS, reservationMs: RESERVATION_MS },
  sip: { idleMs: 0, maxDurationMs: DAY_MS, reservationMs: RESERVATION_MS },
  ssh: { idleMs: HOUR_MS, maxDurationMs: 0, reservationMs: RESERVATION_MS },
  web: { idleMs: 300_000, maxDurationMs: DAY_MS, reservationMs: RESERVATION_MS },
};

/**
 * The policies of `inherited` with what the section says over them, key by key. A protocol that only the section knows
 * takes what it does not say from `default`.
 */
export function mergePolicies(
  inherited: Record<string, SessionPolicy>,
  section: SessionsSection,
  path: string,
  problems: string[],
): Record<string, SessionPolicy> {
  const { tombstone: _, ...policies } = section as { tombstone?: number } & Record<string, ProtocolPolicy>;
  const merged = new Map(Object.entries(inherited));
  const base = over(merged.get('default') ?? DEFAULT_POLICIES.default, policies['default']);
  merged.set('default', base);
  for (const [protocol, policy] of Object.entries(policies)) {
    if (!PROTOCOL.test(protocol)) problems.push(`${path}.${protocol}: not a protocol (a-z, 0-9, -; at most 16)`);
    merged.set(protocol, over(merged.get(protocol) ?? base, policy));
  }
  return Object.fromEntries(merged);
}

function over(policy: SessionPolicy, own: ProtocolPolicy | undefined): SessionPolicy {
  return {
    idleMs: own?.idle_timeout ?? policy.idleMs,
    maxDurationMs: own?.session_timeout ?? policy.maxDurationMs,
    reservationMs: own?.reservation ?? policy.reservationMs,
  };
}
