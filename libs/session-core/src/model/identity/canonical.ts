import { canonicalHost } from './host.js';
import { MAX_ADDRESS_BYTES, uriOfAddress, type AddressForm } from './name-addr.js';
import { UNPRINTABLE_IN_NAMES } from './printable.js';
import { refused, type IdentityRules, type Refused } from './rules.js';
import { telephoneNumber } from './telephone.js';
import { userOfUri, type UriUser } from './uri.js';

const MAX_USER_BYTES = 256;
/** The one user that all anonymous callers are (RFC 3323 section 4.1.1). */
export const ANONYMOUS = 'anonymous';
const ANONYMOUS_ADDRESS = 'anonymous@anonymous.invalid';
/** Stands for the default limit in lists of limits. */
const RESERVED = '_default';

const READS_AS_URI = /^(?:sips?|tel):|<\s*(?:sips?|tel):/i;
const READS_AS_URI_UNESCAPED = /(^|<\s*)(sips?|tel)(:|%(?:25)*3a)/gi;

export type CanonicalUser = { ok: true; user: string } | Refused;

/**
 * Canonical form of a user name written by a person or a configuration file: admin URLs, configuration keys, hints, the
 * field `user`. What it returns it maps to itself.
 *
 * It is a name as it stands (`alice`, `+14155551234`, `a.b@c`), with nothing decoded, unless it starts with `sip:`, `sips:`
 * or `tel:` or has one of them in angle brackets: then it is an address, and names the user whom that address names.
 */
export function canonicalUser(written: string, rules: IdentityRules): CanonicalUser {
  if (Buffer.byteLength(written) > MAX_ADDRESS_BYTES) return refused(`must be at most ${MAX_USER_BYTES} bytes`);
  if (READS_AS_URI.test(written.trim())) return canonicalAddress(written, 'single', rules);

  const flaw = unprintableIn(written);
  if (flaw !== undefined) return flaw;

  const [name, host] = rules.domain === 'keep' ? nameAndHost(written.normalize('NFC').trim()) : [written, null];
  return canonical({ name, host, kind: 'name' }, (local) => local, rules);
}

/** The user whom a header value names: From, P-Asserted-Identity. */
export function canonicalAddress(header: string, form: AddressForm, rules: IdentityRules): CanonicalUser {
  const address = uriOfAddress(header, form);
  if (!address.ok) return address;
  const user = userOfUri(address.uri);
  if (!user.ok) return user;
  return unprintableIn(user.name) ?? canonical(user, escapedIfUri, rules);
}

function canonical(
  { name, host, kind }: Omit<UriUser, 'ok'>,
  spelled: (local: string) => string,
  rules: IdentityRules,
): CanonicalUser {
  const normal = normalized(name, rules);
  const number = telephoneNumber(normal, kind);
  if (number === undefined && kind === 'tel') {
    return refused('must have a telephone number in its tel: URI, such as tel:+14155551234');
  }

  const local = number ?? spelled(normal);
  if (local === '') return refused('must hold a user that is more than blanks');

  const address = host === null ? local : `${local}@${host}`;
  const user = rules.domain === 'keep' ? address : local;
  if ([address, user].some((text) => text.toLowerCase() === ANONYMOUS_ADDRESS)) return { ok: true, user: ANONYMOUS };
  if (user === RESERVED) return refused(`must be a user's name; ${RESERVED} stands for the default limit`);

  const bytes = Buffer.byteLength(user);
  if (bytes > MAX_USER_BYTES) return refused(`must name a user of at most ${MAX_USER_BYTES} bytes; it has ${bytes}`);
  return { ok: true, user };
}

/** NFC again after folding: lower case may put marks out of order (`İ` becomes two characters). Blanks around a name never count. */
function normalized(name: string, rules: IdentityRules): string {
  const composed = name.normalize('NFC');
  return (rules.case === 'fold' ? composed.toLowerCase().normalize('NFC') : composed).trim();
}

/**
 * RFC 4475 3.1.1.3 has a user named `sips:user@example.com`. Printed so, it would be read as the URI of `user` the next time, so
 * such a name keeps its colon escaped: `sips%3auser@example.com`. Names that are spelled so themselves get one `25` more, so
 * that no two users become one.
 */
function escapedIfUri(name: string): string {
  return name.replace(READS_AS_URI_UNESCAPED, (_all, before: string, scheme: string, colon: string) =>
    colon === ':' ? `${before}${scheme}%3a` : `${before}${scheme}%25${colon.slice(1)}`,
  );
}

/** `alice@Example.COM` written out, where domains count; a text that has no host behind its last `@` is all name. */
export function nameAndHost(written: string): [name: string, host: string | null] {
  const at = written.lastIndexOf('@');
  const host = at > 0 ? canonicalHost(written.slice(at + 1)) : undefined;
  return host === undefined ? [written, null] : [written.slice(0, at), host];
}

/**
 * Of a name with a domain: the user whom calls from there are of, where domains do not count and users are taken from headers, which say one. Null
 * of every other name. A user that is given outright as such a name keeps the domain, as part of the name.
 */
export function userOfCalls(user: string, rules: IdentityRules): string | null {
  if (rules.domain === 'keep' || rules.userFrom === 'user') return null;
  const [name, host] = nameAndHost(user);
  const canonicalName = host === null ? null : canonicalUser(name, rules);
  return canonicalName?.ok === true ? canonicalName.user : null;
}

function unprintableIn(name: string): Refused | undefined {
  const code = UNPRINTABLE_IN_NAMES.exec(name)?.[0].codePointAt(0);
  if (code === undefined) return undefined;
  return refused(`must hold printable characters only; it holds U+${code.toString(16).toUpperCase().padStart(4, '0')}`);
}
