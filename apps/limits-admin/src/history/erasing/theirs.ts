import { identify, type IdentityRules, type IsTheirs } from '#session-core';

/**
 * Whether an event is about a person: of the outbox by the name that the books have, of a server by whatever names the person. An event
 * that names a session alone is theirs if an earlier one named the user of that session.
 */
export function theirs(user: string, rules: IdentityRules): IsTheirs {
  const sessions = new Set<string>();
  return (fields) => {
    const session = sessionOf(fields['session']);
    const id = session?.id ?? fields['sessionId'];
    const isNamed =
      [fields['user'], fields['fromUser'], session?.user].includes(user) ||
      isFrom(fields, user, rules) ||
      heldBy(fields['sessions']).some((held) => isFrom(held, user, rules));
    if (isNamed && id !== undefined && id !== '') sessions.add(id);
    return isNamed || (fields['user'] === undefined && id !== undefined && sessions.has(id));
  };
}

function isFrom(
  { user: written, from, assertedIdentity }: Readonly<Record<string, string>>,
  user: string,
  rules: IdentityRules,
) {
  const identified = identify({ user: written, from, assertedIdentity }, rules);
  return identified.ok && identified.user === user;
}

/** What a list of a node says of each session. */
function heldBy(json: string | undefined): Record<string, string>[] {
  const list = parsed(json);
  if (!Array.isArray(list)) return [];
  return (list as ({ user?: unknown } | null)[]).flatMap((held) =>
    typeof held?.user === 'string' ? [{ user: held.user }] : [],
  );
}

function sessionOf(json: string | undefined): { id?: string; user?: unknown } | null {
  return parsed(json) as { id?: string; user?: unknown } | null;
}

/** Null for what is no JSON. */
function parsed(json: string | undefined): unknown {
  try {
    return json === undefined ? null : JSON.parse(json);
  } catch {
    return null;
  }
}
