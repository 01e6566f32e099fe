import { DEFAULT_LIMITS, ancestorsOf, limitOfGroup, type EffectiveLimits } from './limits-document.js';
import { groupParts, limitTarget } from './limit-key.js';
import { reservableLimit } from './limit-problems.js';

/** More are counted, not named: a file may set the limits of every user. */
const MAX_NAMED = 20;

/**
 * What an operator should know of limits that are possible (`limitProblems` found nothing): limits that are never reached because another
 * is full before, and limits that refuse everybody. One sentence each, which begins as the configuration names the limit. A limit that
 * is only measured stands in nobody's way. Temporary limits are left out: they pass.
 */
export function limitWarnings(limits: EffectiveLimits): string[] {
  const warnings = [...beyondTotal(limits), ...beyondParents(limits), ...reservedWhole(limits)];
  if (warnings.length <= MAX_NAMED) return warnings;
  return [...warnings.slice(0, MAX_NAMED), `${warnings.length - MAX_NAMED} more limits are like those above`];
}

function beyondTotal(limits: EffectiveLimits): string[] {
  const total = limits.maxTotalSessions;
  if (total <= 0 || limits.details['total']?.observe === true) return [];
  const numbers: [path: string, max: number][] = [
    ...under('user_session_limits', limits.users),
    ...under('classes', limits.classes),
    ...Object.entries(limits.groups).flatMap(([kind, { default: max, overrides }]): [string, number][] => [
      [`groups.${kind}.default`, max],
      ...under(`groups.${kind}.overrides`, overrides),
    ]),
  ];
  // Most probably nobody wrote the built-in default.
  if (limits.maxSessionsPerUser !== DEFAULT_LIMITS.maxSessionsPerUser) {
    numbers.unshift(['max_sessions_per_user', limits.maxSessionsPerUser]);
  }
  return numbers
    .filter(([, max]) => max >= total)
    .map(([path, max]) => `${path}: ${max} is out of reach, because max_total_sessions is ${total}`);
}

function beyondParents(limits: EffectiveLimits): string[] {
  return Object.entries(limits.groups).flatMap(([kind, { parents }]) =>
    Object.keys(parents).flatMap((name) => {
      const group = `${kind}:${name}`;
      const { path, max } = reservableLimit(limits, { kind: 'group', group });
      const narrower = ancestorsOf(limits, group).find((above) => {
        const most = maxOf(limits, above);
        return most > 0 && most < max && !isObserved(limits, above);
      });
      if (narrower === undefined) return [];
      const most = maxOf(limits, narrower);
      return [`${path}: ${max} is out of reach for ${group}, because it is within ${narrower}, whose limit is ${most}`];
    }),
  );
}

function reservedWhole(limits: EffectiveLimits): string[] {
  return Object.entries(limits.details).flatMap(([key, { reserve, observe }]) => {
    const target = limitTarget(key);
    if (target === null || reserve === undefined || observe === true) return [];
    const { path, max } = reservableLimit(limits, target);
    if (max === 0 || reserve.places < max) return [];
    return [
      `reserves.${key}.places: ${reserve.places} is all that ${path} allows, so that everybody outside ${reserve.group} is refused`,
    ];
  });
}

function under(path: string, byName: Record<string, number>): [path: string, max: number][] {
  return Object.entries(byName).map(([name, max]) => [`${path}.${name}`, max]);
}

function maxOf(limits: EffectiveLimits, group: string): number {
  const { kind, name } = groupParts(group);
  return limitOfGroup(limits, kind, name);
}

/** What a kind has holds for its groups without a limit and details of their own. */
function isObserved({ groups, details }: EffectiveLimits, group: string): boolean {
  const { kind, name } = groupParts(group);
  const own = Object.hasOwn(groups[kind]?.overrides ?? {}, name) ? {} : details[`kind:${kind}`];
  return (details[`group:${group}`] ?? own)?.observe === true;
}
