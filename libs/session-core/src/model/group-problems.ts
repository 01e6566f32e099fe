import { UNPRINTABLE_IN_NAMES } from './identity/printable.js';
import { EMERGENCY_GROUP, EMERGENCY_KIND, MAX_ANCESTORS } from './limit.js';
import { groupParts, limitTarget } from './limit-key.js';
import type { LimitProblem } from './limit-problems.js';
import type { EffectiveGroupKind, EffectiveLimits } from './limits-document.js';

const MAX_NAME_BYTES = 128;
const EXPECTED = `kind:name, the kind of 1 to 32 of a-z, 0-9 and -, the name of 1 to ${MAX_NAME_BYTES} printable bytes`;

/** Names that are no group's, and parents that a group cannot have. */
export function groupProblems({ groups }: EffectiveLimits): LimitProblem[] {
  return [...Object.entries(groups).flatMap(([kind, of]) => nameProblems(kind, of)), ...chainProblems(groups)];
}

/** Why no session can be in this group, which should be `kind:name`; null if one can. */
export function flawOfGroup(group: string): string | null {
  const { kind, name } = groupParts(group);
  const isGroup = limitTarget(`group:${group}`) !== null;
  if (!isGroup || Buffer.byteLength(name) > MAX_NAME_BYTES || UNPRINTABLE_IN_NAMES.test(name)) {
    return `found ${JSON.stringify(group)}, expected ${EXPECTED}`;
  }
  if (kind !== EMERGENCY_KIND || group === EMERGENCY_GROUP) return null;
  return `found "${group}", but the kind ${EMERGENCY_KIND} has one group only, ${EMERGENCY_GROUP}`;
}

function nameProblems(kind: string, { overrides, rates, parents }: EffectiveGroupKind): LimitProblem[] {
  const path = `groups.${kind}`;
  if (limitTarget(`kind:${kind}`) === null) return [{ path, message: 'not a group kind (a-z, 0-9, -; at most 32)' }];
  const found = Object.entries({ overrides, rates, parents }).flatMap(([key, byName]) =>
    Object.keys(byName).map((name) => ({ path: `${path}.${key}.${name}`, message: flawOfGroup(`${kind}:${name}`) })),
  );
  const above = Object.entries(parents).map(([name, parent]) => ({
    path: `${path}.parents.${name}`,
    message: flawOfGroup(parent) ?? flawOfParent(kind, parent),
  }));
  return [...found, ...above].flatMap(({ path: at, message }) => (message === null ? [] : [{ path: at, message }]));
}

function flawOfParent(kind: string, parent: string): string | null {
  if (kind !== EMERGENCY_KIND && groupParts(parent).kind !== EMERGENCY_KIND) return null;
  return `found "${parent}", but ${EMERGENCY_GROUP} has no parent and is none; emergency sessions are in it by themselves`;
}

/** Cycles, each reported once, and chains that are too long, reported where they become so. */
function chainProblems(groups: EffectiveLimits['groups']): LimitProblem[] {
  const parents = new Map<string, string>();
  for (const [kind, of] of Object.entries(groups)) {
    for (const [name, parent] of Object.entries(of.parents)) parents.set(`${kind}:${name}`, parent);
  }
  const problems: LimitProblem[] = [];
  const tell = (group: string, why: string) => {
    const { kind, name } = groupParts(group);
    problems.push({ path: `groups.${kind}.parents.${name}`, message: `found "${parents.get(group)}", but ${why}` });
  };
  /** How many groups are above one; infinitely many in a cycle and below it. No group is climbed past twice. */
  const heights = new Map<string, number>();
  for (const group of parents.keys()) {
    const climbed = new Set<string>();
    let at: string | undefined = group;
    for (; at !== undefined && !heights.has(at) && !climbed.has(at); at = parents.get(at)) climbed.add(at);
    if (at !== undefined && climbed.has(at)) {
      tell(at, parents.get(at) === at ? 'no group is its own parent' : `that puts ${at} within itself`);
      heights.set(at, Infinity);
    }
    let height = at === undefined ? -1 : (heights.get(at) ?? 0);
    for (const below of [...climbed].toReversed()) {
      heights.set(below, ++height);
      if (height !== MAX_ANCESTORS + 1) continue;
      tell(
        below,
        `${below} would be within ${height} groups, one above the other; at most ${MAX_ANCESTORS} are allowed`,
      );
    }
  }
  return problems;
}
