import { ANONYMOUS, canonicalAddress, canonicalUser, nameAndHost } from './canonical.js';
import { isSameIdentity, type BooksIdentity, type IdentityRules } from './rules.js';

/** From which rules to which the names of a tenant change. */
export interface IdentityChange {
  from: BooksIdentity;
  /** As they will be, with the source that users are taken from. */
  to: IdentityRules;
}

/**
 * The user of a session under other rules: whom its From names, where that is where its user came from, else what the rules make of the name.
 * Renaming again changes nothing, as far as the From is where the user came from.
 */
export function renamedUser(user: string, fromHeader: string | null, change: IdentityChange): string {
  const { from, to } = change;
  if (user === '' || user === ANONYMOUS || isSameIdentity(from, to)) return user;
  const was = namedBy(fromHeader, { ...to, ...from });
  const is = namedBy(fromHeader, to);
  if (is !== undefined && (was === user || is === user)) return is;
  // A From that names somebody else: the user was asserted, or given outright.
  const asserted = fromHeader !== null && (to.userFrom === 'asserted' || was === ANONYMOUS);
  return asserted ? renamedName(user, change) : givenName(user, to);
}

/** A name without a session: of a limit. */
export function renamedName(user: string, { from, to }: IdentityChange): string {
  const dropsHost = from.domain === 'keep' && to.domain === 'drop' && to.userFrom !== 'user';
  return givenName(dropsHost ? nameAndHost(user)[0] : user, to);
}

/** The user whom the From of a session names under the rules that were; the name that limits have for it. Undefined if it names none. */
export function formerUser(user: string, fromHeader: string | null, { from, to }: IdentityChange): string {
  const was = namedBy(fromHeader, { ...to, ...from });
  return was !== undefined && namedBy(fromHeader, to) === user ? was : user;
}

/** Whether a session has a user without a domain where domains count, because nothing says which. */
export function lacksDomain(user: string, { domain }: BooksIdentity): boolean {
  return domain === 'keep' && user !== '' && user !== ANONYMOUS && nameAndHost(user)[1] === null;
}

function namedBy(header: string | null, rules: IdentityRules): string | undefined {
  const named = header === null ? undefined : canonicalAddress(header, 'single', rules);
  return named?.ok === true ? named.user : undefined;
}

/** A name that was given outright, as these rules write it. */
export function givenName(user: string, rules: IdentityRules): string {
  const canonical = canonicalUser(user, rules);
  return canonical.ok ? canonical.user : user;
}
