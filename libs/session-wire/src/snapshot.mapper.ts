import type { TenantConfig } from '#config';
import { canonicalUser, InvalidInputError, type SnapshotPart } from '#session-core';

import type { SnapshotBody } from './nodes.schema.js';

/** A part of a node's list as the books take it. Throws InvalidInputError where a session names no user that can be. */
export function snapshotPart(
  node: string,
  { epoch, mark, part, parts, sessions, none }: SnapshotBody,
  { identity }: TenantConfig,
): SnapshotPart {
  const held = sessions.map(({ id, attempt, user, groups, startedAt, state }, index) => {
    const canonical = user === '' ? { ok: true as const, user } : canonicalUser(user, identity);
    if (!canonical.ok) throw new InvalidInputError(`sessions[${index}].user`, canonical.message);
    return { id, attempt, user: canonical.user, groups: [...new Set(groups)], startedAtMs: startedAt, state };
  });
  return { node, epoch, mark, part, parts, none, sessions: held };
}
