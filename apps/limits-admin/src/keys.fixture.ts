import type { AuthKey, Role } from '#config';
import { newKey } from '#service-kit';

const ROLES = ['node', 'viewer', 'operator', 'admin'] as const satisfies readonly Role[];

/** The nodes that bound keys of tests may speak for. */
export const BOUND_TO = ['b2bua-*'];

/** A key of each role of a tenant, and one of each that is bound to nodes: for the configuration, and the header that sends each. */
export function keysOfEveryKind(tenant = 'default') {
  const kinds = ROLES.flatMap((role) => [
    { role, bound: false, ...newKey() },
    { role, bound: true, ...newKey() },
  ]);
  const keys = kinds.map(({ role, bound, hash }): AuthKey => {
    const nodes = bound ? BOUND_TO : null;
    return {
      id: `${role}${bound ? '-bound' : ''}`,
      hash: hash.slice('sha256:'.length),
      role,
      tenant,
      nodes,
      emergency: false,
    };
  });
  const callers = kinds.map(({ role, bound, key }) => ({ role, bound, headers: { authorization: `Bearer ${key}` } }));
  return {
    auth: { keys },
    callers,
    /** What the key of this role, bound or not, sends. */
    by: (role: Role, bound = false) => callers.find((one) => one.role === role && one.bound === bound)!.headers,
  };
}
