import type { TenantConfig } from '#config';
import { canonicalUser, InvalidInputError, type SessionRef } from '#session-core';
import { sessionId } from '#session-wire';

const idSchema = sessionId();

/** In a path, stands for the id in the body. */
export const IN_BODY = '-';

/** What a call on one session says to name it. */
export interface Naming {
  /** The path's id, decoded. */
  id: string;
  /** The body's. */
  sessionId?: string | undefined;
  /** The hint `?user=`. */
  user?: string | undefined;
}

/** Names the session: by the path, or where that is `-` by the body. Throws InvalidInputError. */
export function sessionRef({ id, sessionId: inBody, user }: Naming, { identity }: TenantConfig): SessionRef {
  const ref = { sessionId: id === IN_BODY ? given(inBody) : checked(id) };
  if (user === undefined) return ref;
  const canonical = canonicalUser(user, identity);
  if (!canonical.ok) throw new InvalidInputError('user', canonical.message);
  return { ...ref, user: canonical.user };
}

function given(inBody: string | undefined): string {
  if (inBody !== undefined) return inBody;
  throw new InvalidInputError('sessionId', 'must be in the body where the path has - for the id');
}

function checked(id: string): string {
  const result = idSchema.safeParse(id);
  if (result.success) return result.data;
  throw new InvalidInputError('id', result.error.issues[0]?.message ?? 'must be an id');
}
