import { escapeKeyPart } from './keys.js';
import { EMERGENCY_GROUP, MAX_ANCESTORS } from './model/limit.js';
import type { Priority } from './model/session.js';
import { keysOf, type ShardContext } from './scripts/script.js';

/** A group of a session, and the one that it is within ('' for none). */
export interface GroupWithin {
  group: string;
  parent: string;
}

/** Beyond so many all are forgotten, and learnt anew as sessions name them. */
const MAX_LINKS = 100_000;

/**
 * Which group is within which, as the shards answered last. A session is in the groups that it names and in those that these are within; every
 * admission carries what this process knows, the script compares it with the limits in force, and says where it was wrong.
 */
export class GroupParents {
  private readonly links = new Map<string, string>();

  /** The groups of a session with those that they are within, as far as this process knows. */
  expand(tenant: string, { groups, priority }: { groups: readonly string[]; priority: Priority }): GroupWithin[] {
    const expanded = new Map<string, string>();
    for (const named of priority === 'emergency' ? [...groups, EMERGENCY_GROUP] : groups) {
      let group = named;
      for (let level = 0; group !== '' && !expanded.has(group) && level <= MAX_ANCESTORS; level++) {
        const parent: string = this.links.get(link(tenant, group)) ?? '';
        expanded.set(group, parent);
        group = parent;
      }
    }
    return [...expanded].map(([group, parent]) => ({ group, parent }));
  }

  /** Takes a shard's word: the group that each of these is within. */
  learn(tenant: string, groups: readonly GroupWithin[], parents: readonly string[]): void {
    for (const [i, { group }] of groups.entries()) {
      const parent = parents[i] ?? '';
      this.links.delete(link(tenant, group));
      if (parent === '') continue;
      if (this.links.size >= MAX_LINKS) this.links.clear();
      this.links.set(link(tenant, group), parent);
    }
  }
}

/**
 * Which groups sessions are in by the limits in force in a shard, for verbs that take many sessions at once: the function adds to named
 * groups those that they are within.
 */
export async function groupsInForce(
  context: ShardContext,
  named: readonly string[],
): Promise<(groups: readonly string[]) => string[]> {
  const parents = new Map<string, string>();
  let level = new Set(named);
  for (let depth = 0; level.size > 0 && depth <= MAX_ANCESTORS; depth++) {
    const groups = [...level];
    const fields = groups.map((group) => `parent:${escapeKeyPart(group)}`);
    const found = await context.client.hmget(keysOf(context).limits, ...fields);
    for (const [i, group] of groups.entries()) parents.set(group, found[i] ?? '');
    level = new Set(found.filter((parent): parent is string => Boolean(parent) && !parents.has(parent ?? '')));
  }
  return (groups) => {
    const all = new Set<string>();
    for (let group of groups) {
      for (; group !== '' && !all.has(group); group = parents.get(group) ?? '') all.add(group);
    }
    return [...all];
  };
}

function link(tenant: string, group: string): string {
  return `${tenant} ${group}`;
}
