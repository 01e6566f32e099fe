import { ProblemException } from '#service-kit';
import type { LimitsLayer } from '#session-core';

/**
 * Users, classes and groups that the API may set limits for, in one tenant. All of it is one document, which each change rewrites and
 * copies to every shard: with 20,000 a change took a second.
 */
export const MAX_LIMITS = 10_000;

/** Throws `too-many-limits` where a change would add to more than that. What is there may be changed and taken away, however much there is. */
export function refuseTooMany(before: LimitsLayer, after: LimitsLayer): void {
  const names = namesIn(after);
  if (names.size <= MAX_LIMITS || names.size <= namesIn(before).size) return;
  throw new ProblemException(
    'too-many-limits',
    `The tenant would have ${names.size} limits of single users, classes and groups that were set here, and may have ${MAX_LIMITS}: take back those that are not needed, or give users a class`,
  );
}

/** All settings of one name (a limit, a class, a temporary limit, who set it) count once. What holds for everybody has no name. */
function namesIn({ users, classes, userClasses, groups, details }: LimitsLayer): Set<string> {
  const names = new Set(Object.keys(details ?? {}).filter((key) => key.includes(':')));
  const add = (kind: string, entries: Record<string, unknown> | undefined) => {
    for (const name of Object.keys(entries ?? {})) names.add(`${kind}:${name}`);
  };
  add('user', users);
  add('user', userClasses);
  add('class', classes);
  add('kind', groups);
  for (const [kind, { overrides, parents, rates }] of Object.entries(groups ?? {})) {
    for (const entries of [overrides, parents, rates]) add(`group:${kind}`, entries);
  }
  return names;
}
