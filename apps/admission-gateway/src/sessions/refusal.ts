import type { BerthConfig } from '#config';
import type { Logger, ProblemCode } from '#service-kit';
import { LIMIT_SCOPES, type LimitScope, type LimitState, type Rejected } from '#session-core';
import { logLimitExceeded } from '#session-wire';

/** How a refusal is answered: by its code, and by the entry of the section `sip` that says what the SIP caller hears. */
export interface Refusal {
  code: ProblemCode;
  sip: keyof BerthConfig['sip'];
}

const REFUSALS: Record<LimitScope, Refusal> = {
  user: { code: 'user-limit-exceeded', sip: 'user' },
  group: { code: 'group-limit-exceeded', sip: 'group' },
  ip: { code: 'ip-rate-exceeded', sip: 'ipRate' },
  total: { code: 'total-limit-exceeded', sip: 'total' },
};

/** The refusal as one line of the log: the first limit that was full. */
export function logRefusal(logger: Logger, { limits }: Rejected, username: string, callId: string): void {
  const [full] = limits;
  if (full === undefined) return;
  const { scope, key, active: currentSessions, max: maxSessions } = full;
  logLimitExceeded(logger, { username, currentSessions, maxSessions, action: 'reject', callId, scope, key });
}

/** Whether a limit holds more than it may: by an emergency session, or because it was lowered. */
export function isOvershot({ max, active, observed }: LimitState): boolean {
  return max > 0 && active > max && !observed;
}

/** A refusal is named by the first of user, group, ip and total that was full. */
export function refusalOf(full: readonly LimitState[]): Refusal {
  const scope = LIMIT_SCOPES.find((candidate) => full.some((limit) => limit.scope === candidate)) ?? 'user';
  return REFUSALS[scope];
}
