import { ProblemException } from '#service-kit';
import { limitProblems, type EffectiveLimits, type LimitProblem } from '#session-core';

const MAX_PROBLEMS = 50;

/**
 * Throws `invalid-request` where a change would make limits that cannot be, with each path. What was so before, say by the file, is no reason to
 * refuse: an operator must be able to mend it step by step. The same problem with other numbers is the same.
 */
export function refuseNewProblems(before: EffectiveLimits, after: EffectiveLimits, shards: number): void {
  const found = limitProblems(after, shards);
  if (found.length === 0) return;
  const known = new Set(limitProblems(before, shards).map(kindOf));
  const errors = found.filter((problem) => !known.has(kindOf(problem))).slice(0, MAX_PROBLEMS);
  if (errors.length === 0) return;
  const sentences = errors.slice(0, 3).map(({ path, message }) => `${path}: ${message}`);
  const detail = `${sentences.join('; ')}${errors.length > sentences.length ? '; …' : ''}`;
  throw new ProblemException('invalid-request', detail, { members: { errors } });
}

function kindOf({ path, message }: LimitProblem): string {
  return `${path}: ${message.replace(/\d+/g, '#')}`;
}
