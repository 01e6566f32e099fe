/**
 * The name of one limit: `user` (that of every user without one of their own), `user:alice`, `class:gold`, `total`, `kind:trunk` (that of every
 * trunk without one of its own), `group:trunk:west`, `ip`.
 */
export type LimitKey = string;

export type LimitTarget =
  | { kind: 'user' | 'total' | 'ip' }
  | { kind: 'user-name' | 'class' | 'group-kind'; name: string }
  | { kind: 'group'; group: string };

const KIND = /^[a-z0-9-]{1,32}$/;
const GROUP = /^[a-z0-9-]{1,32}:./s;

/** What a key names; null for one that names no limit. Whether the name in it is one is the caller's to ask. */
export function limitTarget(key: LimitKey): LimitTarget | null {
  if (key === 'user' || key === 'total' || key === 'ip') return { kind: key };
  const at = key.indexOf(':');
  const [word, name] = [key.slice(0, at), key.slice(at + 1)];
  if (at < 0 || name === '') return null;
  if (word === 'user') return { kind: 'user-name', name };
  if (word === 'class' && KIND.test(name)) return { kind: 'class', name };
  if (word === 'kind' && KIND.test(name)) return { kind: 'group-kind', name };
  if (word === 'group' && GROUP.test(name)) return { kind: 'group', group: name };
  return null;
}

/** Kind and name of a group, which is written `kind:name`. */
export function groupParts(group: string): { kind: string; name: string } {
  const at = group.indexOf(':');
  return { kind: group.slice(0, at), name: group.slice(at + 1) };
}
