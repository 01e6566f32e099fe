import { flawOfGroup, groupProblems } from './group-problems.js';
import { MAX_WITH_RESERVE, type LimitDetails, type Reserve, type TemporaryLimit } from './limit.js';
import { groupParts, limitTarget, type LimitKey, type LimitTarget } from './limit-key.js';
import { limitOfGroup, type EffectiveLimits } from './limits-document.js';

/** One reason why a set of limits cannot be. */
export interface LimitProblem {
  /** As the configuration names it below `limits`: `groups.trunk.parents.west`. */
  path: string;
  /** What was found, why it cannot be, and what can. */
  message: string;
}

const KEY_EXPECTED = 'user, user:<name>, class:<class>, total, kind:<kind>, group:<kind>:<name> or ip';
const RESERVABLE: LimitTarget['kind'][] = ['total', 'group-kind', 'group'];
const TEMPORARY: LimitTarget['kind'][] = ['user', 'user-name', ...RESERVABLE];

/** Everything that makes these limits impossible for a tenant of so many shards; empty if they can be put into force. */
export function limitProblems(limits: EffectiveLimits, shards: number): LimitProblem[] {
  return [
    ...classProblems(limits),
    ...groupProblems(limits),
    ...Object.entries(limits.details).flatMap(([key, details]) => detailProblems(limits, key, details)),
    ...(shards > 1 ? spanningProblems(limits, shards) : []),
  ];
}

/** The number of the limit that may have a reserve, 0 for unlimited, and where the configuration says it. */
export function reservableLimit(limits: EffectiveLimits, target: LimitTarget): { path: string; max: number } {
  if (target.kind === 'group-kind') {
    return { path: `groups.${target.name}.default`, max: limitOfGroup(limits, target.name, '') };
  }
  if (target.kind !== 'group') return { path: 'max_total_sessions', max: Math.max(0, limits.maxTotalSessions) };
  const { kind, name } = groupParts(target.group);
  const own = Object.hasOwn(limits.groups[kind]?.overrides ?? {}, name);
  return { path: `groups.${kind}.${own ? `overrides.${name}` : 'default'}`, max: limitOfGroup(limits, kind, name) };
}

function classProblems({ classes, userClasses }: EffectiveLimits): LimitProblem[] {
  const misnamed = Object.keys(classes).filter((name) => limitTarget(`class:${name}`) === null);
  const unknown = Object.entries(userClasses).filter(([, name]) => !Object.hasOwn(classes, name));
  return [
    ...misnamed.map((name) => ({ path: `classes.${name}`, message: 'not a class name (a-z, 0-9, -; at most 32)' })),
    ...unknown.map(([user, name]) => ({
      path: `user_classes.${user}`,
      message: `found "${name}", but classes has no such class`,
    })),
  ];
}

function detailProblems(limits: EffectiveLimits, key: LimitKey, details: LimitDetails): LimitProblem[] {
  const { observe, reserve, temporary, origin } = details;
  const target = limitTarget(key);
  const flaw = flawOfKey(limits, key, target);
  if (flaw !== null) {
    const present = {
      observe,
      [`reserves.${key}`]: reserve,
      [`temporary.${key}`]: temporary,
      [`origins.${key}`]: origin,
    };
    return Object.entries(present).flatMap(([path, value]) => (value === undefined ? [] : [{ path, message: flaw }]));
  }
  const problems: LimitProblem[] = [];
  if (target !== null && reserve !== undefined && reserve.places > 0) {
    problems.push(
      ...reserveProblems(limits, key, target, reserve),
      ...temporaryProblems(key, target, reserve, temporary),
    );
  }
  if (target !== null && temporary !== undefined && !TEMPORARY.includes(target.kind)) {
    const message = 'only user, user:<name>, total, kind:<kind> and group:<kind>:<name> can have a temporary limit';
    problems.push({ path: `temporary.${key}`, message });
  }
  return problems;
}

function flawOfKey({ classes }: EffectiveLimits, key: LimitKey, target: LimitTarget | null): string | null {
  if (target === null) return `found ${JSON.stringify(key)}, expected ${KEY_EXPECTED}`;
  if (target.kind === 'group') return flawOfGroup(target.group);
  const unknown = target.kind === 'class' && !Object.hasOwn(classes, target.name);
  return unknown ? `found "${key}", but classes has no such class` : null;
}

function reserveProblems(
  limits: EffectiveLimits,
  key: LimitKey,
  target: LimitTarget,
  reserve: Reserve,
): LimitProblem[] {
  const { group, places } = reserve;
  const path = `reserves.${key}`;
  if (!RESERVABLE.includes(target.kind)) {
    return [{ path, message: 'only total, kind:<kind> and group:<kind>:<name> can have a reserve' }];
  }
  const flaw = flawOfGroup(group);
  const problems = flaw === null ? [] : [{ path: `${path}.group`, message: flaw }];
  const limit = reservableLimit(limits, target);
  const refuse = (why: string) => problems.push({ path: `${path}.places`, message: `found ${places}, but ${why}` });
  if (limit.max === 0) refuse(`${limit.path} is unlimited; a reserve needs a limit above 0`);
  else if (places > limit.max) refuse(`${limit.path} is ${limit.max}; a reserve is at most its limit`);
  else if (target.kind !== 'total' && limit.max > MAX_WITH_RESERVE) {
    refuse(`${limit.path} is ${limit.max}; the limit of a group with a reserve is at most ${MAX_WITH_RESERVE}`);
  }
  return problems;
}

/** A temporary limit stands in for the limit that the reserve is of. */
function temporaryProblems(
  key: LimitKey,
  { kind }: LimitTarget,
  { places }: Reserve,
  temporary: TemporaryLimit | undefined,
): LimitProblem[] {
  if (temporary === undefined) return [];
  const { max } = temporary;
  const path = `temporary.${key}`;
  if (max > 0 && max < places)
    return [
      { path, message: `found ${max}, but ${places} places of ${key} are reserved; a limit is at least its reserve` },
    ];
  if (kind !== 'total' && (max <= 0 || max > MAX_WITH_RESERVE)) {
    return [
      { path, message: `found ${max}, but the limit of a group with a reserve is from 1 to ${MAX_WITH_RESERVE}` },
    ];
  }
  return [];
}

/** What each shard would count for itself. */
function spanningProblems(limits: EffectiveLimits, shards: number): LimitProblem[] {
  const numbers: [path: string, found: number][] = [
    ['max_total_sessions', limits.maxTotalSessions],
    ['max_sessions_per_ip_per_hour', limits.maxSessionsPerIpPerHour],
    ['session_creation_alert_threshold', limits.alertThreshold],
  ];
  for (const [kind, { default: max, overrides, rate, rates }] of Object.entries(limits.groups)) {
    const path = `groups.${kind}`;
    numbers.push([`${path}.default`, max], [`${path}.rate.per_second`, rate?.perSecond ?? 0]);
    for (const [name, own] of Object.entries(overrides)) numbers.push([`${path}.overrides.${name}`, own]);
    for (const [name, own] of Object.entries(rates)) numbers.push([`${path}.rates.${name}.per_second`, own.perSecond]);
  }
  for (const [key, { temporary }] of Object.entries(limits.details)) {
    const target = limitTarget(key);
    if (temporary && target && RESERVABLE.includes(target.kind)) numbers.push([`temporary.${key}`, temporary.max]);
  }
  return numbers.flatMap(([path, found]) => (found > 0 ? [{ path, message: spanning(found, shards) }] : []));
}

function spanning(found: number, shards: number): string {
  return `found ${found}, but it would span the tenant's ${shards} shards, and is exact within one only; give the tenant one shard, or say 0`;
}
