import type { Role } from '#config';

/** Who calls: the key, or without keys anybody on this machine. */
export interface Principal {
  /** The id of the key; `local` where there are no keys. */
  id: string;
  role: Role;
  tenant: string;
  /** Globs of the nodes it may speak for; null for all. */
  nodes: readonly string[] | null;
  /** Whether it may ask for emergency sessions. */
  emergency: boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null before authentication, and on routes that are open. */
    principal: Principal | null;
  }
}

/** Whether the caller may speak for this node. `*` stands for any characters. */
export function maySpeakFor(principal: Principal, node: string): boolean {
  if (principal.nodes === null) return true;
  return principal.nodes.some((glob) => matches(glob, node));
}

/** Whether the caller may see a session that is on this node, or on none. */
export function mayReadOf(principal: Principal, node: string | null): boolean {
  return principal.nodes === null || (node !== null && maySpeakFor(principal, node));
}

/** Without a regular expression: a glob of many stars must not take time that grows with their power. */
function matches(glob: string, name: string): boolean {
  const parts = glob.split('*');
  const first = parts[0] ?? '';
  if (parts.length === 1) return name === glob;
  const last = parts.at(-1) ?? '';
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let rest = name.slice(first.length, name.length - last.length);
  for (const part of parts.slice(1, -1)) {
    const at = rest.indexOf(part);
    if (at === -1) return false;
    rest = rest.slice(at + part.length);
  }
  return true;
}
