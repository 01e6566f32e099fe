import { canonicalHost } from './host.js';
import { refused, type Refused } from './rules.js';

/** Whom a URI names: the user decoded once, the host in lower case without its port. */
export interface UriUser {
  ok: true;
  name: string;
  /** `name`: any name; `phone`: the sender says that it is a number; `tel`: it must be one. */
  kind: 'name' | 'phone' | 'tel';
  /** Null for `tel:`, which has none. */
  host: string | null;
}

const SCHEME = /^([a-z][a-z0-9+.-]*):/i;
const HOST_AND_PORT = /^(\[[^\]]*\]|[^:[\]]*)(?::\d{1,5})?$/;
const USER_IS_PHONE = /;\s*user\s*=\s*phone\s*(?:[;?]|$)/i;
/** What ends or begins an address in a header: raw in a user it would be read in two ways. */
const NOT_IN_USER = /[\s"<>]/;
const CONTROL = /\p{Cc}/u;

/**
 * Takes the user out of a `sip:`, `sips:` (RFC 3261 19.1, 25.1) or `tel:` URI (RFC 3966).
 *
 * The password, the port, the parameters and the headers go. The user reaches to the `@`, so its own `;`, `?`, `,` and `/` stay in it
 * (RFC 4475 3.1.1.9). Characters that the grammar forbids but nobody can misread, such as a raw `#` or `é`, are taken as they stand; a
 * second `@` is refused, because parsers differ on which one counts.
 */
export function userOfUri(uri: string): UriUser | Refused {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase();
  if (scheme === undefined) return refused('must hold a sip:, sips: or tel: URI, such as <sip:alice@example.com>');
  if (CONTROL.test(uri)) return refused('must hold no control characters in its URI');

  const rest = uri.slice(scheme.length + 1);
  if (scheme === 'tel') return userOfTel(rest);
  if (scheme === 'sip' || scheme === 'sips') return userOfSip(rest);
  return refused('must be a sip:, sips: or tel: URI; other schemes name no user here');
}

function userOfSip(rest: string): UriUser | Refused {
  const at = rest.indexOf('@');
  if (at < 0) return refused('must have a user before its host, such as sip:alice@example.com');

  const [escaped = ''] = rest.slice(0, at).split(':', 1);
  if (escaped === '') return refused('must have a user before the @, such as sip:alice@example.com');
  if (NOT_IN_USER.test(escaped))
    return refused('must write spaces, quotes and angle brackets in the user as percent-escapes');

  const [address, parameters] = cutAtParameters(rest.slice(at + 1));
  if (address.includes('@') || parameters.includes('@'))
    return refused('must have one @; write one inside the user as %40');

  const host = canonicalHost(HOST_AND_PORT.exec(address)?.[1] ?? '');
  if (host === undefined)
    return refused('must have a host name or an address after the @, such as example.com or [2001:db8::1]');

  return decoded(escaped, USER_IS_PHONE.test(parameters) ? 'phone' : 'name', host);
}

function userOfTel(rest: string): UriUser | Refused {
  const [subscriber] = cutAtParameters(rest);
  return decoded(subscriber, 'tel', null);
}

function cutAtParameters(text: string): [before: string, parameters: string] {
  const cut = text.search(/[;?]/);
  return cut < 0 ? [text.trimEnd(), ''] : [text.slice(0, cut).trimEnd(), text.slice(cut)];
}

/** Once, never twice: `%2541` is the name `%41`. */
function decoded(escaped: string, kind: UriUser['kind'], host: string | null): UriUser | Refused {
  try {
    return { ok: true, name: decodeURIComponent(escaped), kind, host };
  } catch {
    return refused('must hold only percent-escapes of well-formed UTF-8; write a % itself as %25');
  }
}
