import { ANONYMOUS, canonicalAddress, canonicalUser, type CanonicalUser } from './canonical.js';
import type { IdentityRules } from './rules.js';

/** What a server sends to say who starts the session. Blank is the same as not given. */
export interface IdentitySources {
  /** The value of the From header, or its URI. */
  from?: string | undefined;
  /** The value of P-Asserted-Identity; of a list the first counts. */
  assertedIdentity?: string | undefined;
  /** The user's name, given outright. */
  user?: string | undefined;
}

/** `anonymous`: an anonymous caller whom nobody vouches for; `user` is then `anonymous`. */
export type Identified =
  { ok: true; user: string; anonymous: boolean } | { ok: false; path: keyof IdentitySources; message: string };

/**
 * Who is this? The user in the tenant's one canonical form, which `canonicalUser` maps to itself.
 *
 * A `user` given outright wins. Else `userFrom` decides between From and the asserted identity where both are given, and the
 * one that is given counts where the other is not. The one that counts must be well-formed: there is no falling back to the
 * other, or a caller could choose under which name to be counted by breaking a header. An anonymous From gives way to the
 * asserted identity. Takes time linear in the input, and never throws.
 */
export function identify(sources: IdentitySources, rules: IdentityRules): Identified {
  const { from, assertedIdentity, user } = sources;
  if (isGiven(user)) return identified('user', canonicalUser(user, rules));
  if (rules.userFrom === 'user')
    return missing('user', 'must be given: this tenant takes the user from nothing else (identity.user_from)');

  if (isGiven(assertedIdentity) && (rules.userFrom === 'asserted' || !isGiven(from)))
    return asserted(assertedIdentity, rules);
  if (!isGiven(from)) return missing('from', 'must be given where there is neither user nor assertedIdentity');

  const caller = identified('from', canonicalAddress(from, 'single', rules));
  return caller.ok && caller.anonymous && isGiven(assertedIdentity) ? asserted(assertedIdentity, rules) : caller;
}

function asserted(header: string, rules: IdentityRules): Identified {
  return identified('assertedIdentity', canonicalAddress(header, 'list', rules));
}

function identified(path: keyof IdentitySources, found: CanonicalUser): Identified {
  if (!found.ok) return { ok: false, path, message: found.message };
  return { ok: true, user: found.user, anonymous: found.user === ANONYMOUS };
}

function missing(path: keyof IdentitySources, message: string): Identified {
  return { ok: false, path, message };
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}
