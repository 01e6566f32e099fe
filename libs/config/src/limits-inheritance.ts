import {
  EMERGENCY_GROUP,
  EMERGENCY_KIND,
  limitTarget,
  type GroupKindLimits,
  type LimitDetails,
  type LimitsLayer,
} from '#session-core';

import { mapValues, definedOnly } from './limits-layer.js';

/**
 * What of one tenant's limits another one inherits: nothing about single users and single groups, which are others there, except the group
 * that every tenant has; and no reserve of a limit whose number `own` gives, for it would not fit.
 */
export function inheritable(limits: LimitsLayer, own: LimitsLayer): LimitsLayer {
  const { groups, details } = limits;
  const inherited = Object.entries(details ?? {}).flatMap(([key, detail]) => {
    if (!isEverybodys(key)) return [];
    const kept = keepsReserve(key, detail, own) ? detail : { ...detail, reserve: undefined };
    return [[key, definedOnly<LimitDetails>(kept)] as const];
  });
  return definedOnly<LimitsLayer>({
    ...limits,
    users: undefined,
    groups: groups && mapValues(groups, withoutNames),
    details: details && Object.fromEntries(inherited),
  });
}

/** `own` over `base`, name by name; but a list `observe` stands for itself. */
export function limitsOver(base: LimitsLayer, own: LimitsLayer, isObserveSet: boolean): LimitsLayer {
  const inherited = base.details && isObserveSet ? mapValues(base.details, unobserved) : base.details;
  const details = mergedBy(inherited, own.details, (under, over) => ({ ...under, ...over }));
  return definedOnly<LimitsLayer>({
    ...base,
    ...own,
    users: { ...base.users, ...own.users },
    classes: mergedBy(base.classes, own.classes),
    groups: mergedBy(base.groups, own.groups, kindOver),
    details: details && withoutEmpty(details),
  });
}

function isEverybodys(key: string): boolean {
  const target = limitTarget(key);
  if (target?.kind === 'group') return target.group === EMERGENCY_GROUP;
  return target?.kind !== 'user-name';
}

function keepsReserve(key: string, { reserve }: LimitDetails, own: LimitsLayer): boolean {
  if (reserve?.group !== EMERGENCY_GROUP) return false;
  const target = limitTarget(key);
  if (target?.kind === 'total') return own.maxTotalSessions === undefined;
  return target?.kind !== 'group-kind' || own.groups?.[target.name]?.default === undefined;
}

function withoutNames(limits: GroupKindLimits, kind: string): GroupKindLimits {
  if (kind === EMERGENCY_KIND) return limits;
  return definedOnly<GroupKindLimits>({ ...limits, overrides: undefined, parents: undefined, rates: undefined });
}

function kindOver(base: GroupKindLimits, own: GroupKindLimits): GroupKindLimits {
  return definedOnly<GroupKindLimits>({
    ...base,
    ...own,
    overrides: mergedBy(base.overrides, own.overrides),
    parents: mergedBy(base.parents, own.parents),
    rates: mergedBy(base.rates, own.rates),
  });
}

function unobserved({ reserve }: LimitDetails): LimitDetails {
  return definedOnly<LimitDetails>({ reserve });
}

function mergedBy<T>(
  base: Record<string, T> | undefined,
  own: Record<string, T> | undefined,
  merge = (_under: T, over: T) => over,
): Record<string, T> | undefined {
  if (base === undefined || own === undefined) return own ?? base;
  const merged = new Map(Object.entries(base));
  for (const [name, value] of Object.entries(own)) {
    const under = merged.get(name);
    merged.set(name, under === undefined ? value : merge(under, value));
  }
  return Object.fromEntries(merged);
}

function withoutEmpty(details: Record<string, LimitDetails>): Record<string, LimitDetails> | undefined {
  const kept = Object.entries(details).filter(
    ([, { observe, reserve }]) => observe !== undefined || reserve !== undefined,
  );
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}
