import { refused, type Refused } from './rules.js';

/** A header value with more bytes is refused unread; real ones stay under 1 KiB. */
export const MAX_ADDRESS_BYTES = 4096;

/** One address of a header, or the first of a list (P-Asserted-Identity, RFC 3325 9.1). */
export type AddressForm = 'single' | 'list';

const STARTS_WITH_SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const EXAMPLE = 'write it as "Alice" <sip:alice@example.com>';

/**
 * Takes the URI out of a header value such as From: `name-addr` or `addr-spec` with header parameters (RFC 3261 20.10, 25.1).
 *
 * Without angle brackets the header's parameters are left at the end of the URI; nobody can tell them from the URI's own, and
 * neither holds the user. Spaces inside the brackets and unquoted display names (RFC 4475 3.1.2.14, 3.1.2.15) are let pass:
 * they cannot be misread.
 */
export function uriOfAddress(header: string, form: AddressForm): { ok: true; uri: string } | Refused {
  if (Buffer.byteLength(header) > MAX_ADDRESS_BYTES) return refused(`must be at most ${MAX_ADDRESS_BYTES} bytes`);

  const text = unfolded(header.trim());
  if (/[\r\n]/.test(text)) return refused('must be the value of one header; it holds a line break');

  if (STARTS_WITH_SCHEME.test(text)) return { ok: true, uri: form === 'list' ? firstBare(text) : text };

  const open = text.startsWith('"') ? openAfterQuoted(text) : text.indexOf('<');
  if (open === 'unbalanced') return refused(`has a display name whose quote never ends; ${EXAMPLE}`);
  if (open < 0) return refused(`must hold a sip:, sips: or tel: URI; ${EXAMPLE}, or give a plain name as user`);
  if (!text.startsWith('"') && /[">]/.test(text.slice(0, open))) {
    return refused(`has a display name that is quoted in part; ${EXAMPLE}`);
  }

  const close = text.indexOf('>', open);
  if (close < 0) return refused(`has a < without its >; ${EXAMPLE}`);

  const rest = text.slice(close + 1).trimStart();
  if (rest.startsWith(',') && form === 'single') return refused('must be one address; it is a list');
  if (rest !== '' && !/^[;,]/.test(rest)) return refused(`has text after the > that is no parameter; ${EXAMPLE}`);

  return { ok: true, uri: text.slice(open + 1, close).trim() };
}

/** A folded line is one space (RFC 3261 7.3.1). */
function unfolded(text: string): string {
  return text.replace(/\r?\n[ \t]+|\t/g, ' ');
}

/** The position of the `<` behind a quoted display name; -1 if something else stands there. */
function openAfterQuoted(text: string): number | 'unbalanced' {
  let at = 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  if (at >= text.length) return 'unbalanced';

  const open = text.indexOf('<', at + 1);
  return text.slice(at + 1, open).trim() === '' ? open : -1;
}

/** A user may hold commas, so the list's comma is the first behind the `@`; a `tel:` URI has no `@`. */
function firstBare(text: string): string {
  const comma = text.indexOf(',', /^tel:/i.test(text) ? 0 : text.indexOf('@'));
  return comma < 0 ? text : text.slice(0, comma);
}
