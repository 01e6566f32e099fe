import {
  groupParts,
  type EffectiveLimits,
  type LimitDetails,
  type LimitKey,
  type Reserve,
  type TemporaryLimit,
} from '#session-core';

import { own } from './layer.js';

/** The limit that holds for somebody at a moment. */
export interface LimitInForce {
  /** Whose number it is. */
  key: LimitKey;
  /** 0: unlimited. */
  max: number;
  observed: boolean;
  reserve: Reserve | null;
  /** There if `max` is a temporary limit's. */
  temporary: TemporaryLimit | null;
}

/** Of one user. `ofClass` where the class that an admission named is known. */
export function userLimit(limits: EffectiveLimits, user: string, nowMs: number, ofClass?: string): LimitInForce {
  const assigned = own(limits.userClasses, user) ?? ofClass;
  const general: [LimitKey, number | undefined][] = [['user', limits.maxSessionsPerUser]];
  if (assigned !== undefined) general.unshift([`class:${assigned}`, own(limits.classes, assigned)]);
  return inForce(limits, [[`user:${user}`, own(limits.users, user)], ...general], nowMs);
}

/** Of one group, written `kind:name`. */
export function groupLimit(limits: EffectiveLimits, group: string, nowMs: number): LimitInForce {
  const { kind, name } = groupParts(group);
  const ofKind = own(limits.groups, kind);
  const keys: [LimitKey, number | undefined][] = [
    [`group:${group}`, own(ofKind?.overrides, name)],
    [`kind:${kind}`, ofKind?.default],
  ];
  return inForce(limits, keys, nowMs);
}

export function totalLimit(limits: EffectiveLimits, nowMs: number): LimitInForce {
  return inForce(limits, [['total', limits.maxTotalSessions]], nowMs);
}

/** From the most particular to the most general, as a decision reads them: the first number counts, and the first details. */
function inForce(
  { details }: EffectiveLimits,
  keys: [key: LimitKey, max: number | undefined][],
  nowMs: number,
): LimitInForce {
  let first: LimitDetails | undefined;
  for (const [key, max] of keys) {
    const detail = own(details, key);
    if (detail !== undefined && isSet(detail)) first ??= detail;
    const temporary = detail?.temporary !== undefined && nowMs < detail.temporary.untilMs ? detail.temporary : null;
    const found = temporary?.max ?? max;
    if (found !== undefined) return limitInForce(key, found, first ?? {}, temporary);
  }
  return limitInForce(keys.at(-1)?.[0] ?? 'total', 0, first ?? {}, null);
}

function limitInForce(
  key: LimitKey,
  max: number,
  { observe = false, reserve }: LimitDetails,
  temporary: TemporaryLimit | null,
): LimitInForce {
  const kept = reserve !== undefined && reserve.places > 0 ? reserve : null;
  return { key, max: Math.max(0, max), observed: observe, reserve: kept, temporary };
}

function isSet({ observe, reserve, temporary }: LimitDetails): boolean {
  return observe === true || (reserve?.places ?? 0) > 0 || temporary !== undefined;
}
