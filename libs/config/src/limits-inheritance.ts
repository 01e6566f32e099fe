import {
  EMERGENCY_GROUP,
  EMERGENCY_KIND,
  limitTarget,
  type GroupKindLimits,
  type LimitDetails,
  type LimitsLayer,
} from '#session-core';

import { mapValues, saidOnly } from './limits-layer.js';

/**
 * What of one tenant's limits another one inherits: nothing about single users and single groups, which are others there, except the group
 * that every tenant has; and no reserve of a limit whose number `said` gives, for it would not fit.
 */
export function inheritable(limits: LimitsLayer, said: LimitsLayer): LimitsLayer {
  const { groups, details } = limits;
  const inherited = Object.entries(details ?? {}).flatMap(([key, told]) => {
    if (!isEverybodys(key)) return [];
    const kept = keepsReserve(key, told, said) ? told : { ...told, reserve: undefined };
    return [[key, saidOnly<LimitDetails>(kept)] as const];
  });
  return saidOnly<LimitsLayer>({
    ...limits,
    users: undefined,
    groups: groups && mapValues(groups, withoutNames),
    details: details && Object.fromEntries(inherited),
  });
}

/** `said` over `base`, name by name; but a list `observe` stands for itself. */
export function limitsOver(base: LimitsLayer, said: LimitsLayer, observeSaid: boolean): LimitsLayer {
  const inherited = base.details && observeSaid ? mapValues(base.details, unobserved) : base.details;
  const details = mergedBy(inherited, said.details, (under, over) => ({ ...under, ...over }));
  return saidOnly<LimitsLayer>({
    ...base,
    ...said,
    users: { ...base.users, ...said.users },
    classes: mergedBy(base.classes, said.classes),
    groups: mergedBy(base.groups, said.groups, kindOver),
    details: details && withoutEmpty(details),
  });
}

function isEverybodys(key: string): boolean {
  const target = limitTarget(key);
  if (target?.kind === 'group') return target.group === EMERGENCY_GROUP;
  return target?.kind !== 'user-name';
}

function keepsReserve(key: string, { reserve }: LimitDetails, said: LimitsLayer): boolean {
  if (reserve?.group !== EMERGENCY_GROUP) return false;
  const target = limitTarget(key);
  if (target?.kind === 'total') return said.maxTotalSessions === undefined;
  return target?.kind !== 'group-kind' || said.groups?.[target.name]?.default === undefined;
}

function withoutNames(limits: GroupKindLimits, kind: string): GroupKindLimits {
  if (kind === EMERGENCY_KIND) return limits;
  return saidOnly<GroupKindLimits>({ ...limits, overrides: undefined, parents: undefined, rates: undefined });
}

function kindOver(base: GroupKindLimits, said: GroupKindLimits): GroupKindLimits {
  return saidOnly<GroupKindLimits>({
    ...base,
    ...said,
    overrides: mergedBy(base.overrides, said.overrides),
    parents: mergedBy(base.parents, said.parents),
    rates: mergedBy(base.rates, said.rates),
  });
}

function unobserved({ reserve }: LimitDetails): LimitDetails {
  return saidOnly<LimitDetails>({ reserve });
}

function mergedBy<T>(
  base: Record<string, T> | undefined,
  said: Record<string, T> | undefined,
  merge = (_under: T, over: T) => over,
): Record<string, T> | undefined {
  if (base === undefined || said === undefined) return said ?? base;
  const merged = new Map(Object.entries(base));
  for (const [name, value] of Object.entries(said)) {
    const under = merged.get(name);
    merged.set(name, under === undefined ? value : merge(under, value));
  }
  return Object.fromEntries(merged);
}

function withoutEmpty(details: Record<string, LimitDetails>): Record<string, LimitDetails> | undefined {
  const told = Object.entries(details).filter(
    ([, { observe, reserve }]) => observe !== undefined || reserve !== undefined,
  );
  return told.length === 0 ? undefined : Object.fromEntries(told);
}
