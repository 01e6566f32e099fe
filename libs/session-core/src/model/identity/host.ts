import { isIPv6 } from 'node:net';

/** `_` is no host name character by RFC 3261, yet common inside private networks. */
const LABEL = /^[a-z0-9_][a-z0-9_-]*$/i;

/**
 * A host in the one form under which it is compared: lower case, no final dot; IPv6 in brackets and in its shortest
 * spelling (RFC 5954 4.2 compares addresses, not texts). Undefined if it is no host.
 */
export function canonicalHost(text: string): string | undefined {
  if (text.startsWith('[')) return canonicalIpv6(text);

  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return name.split('.').every((label) => LABEL.test(label)) ? name.toLowerCase() : undefined;
}

function canonicalIpv6(text: string): string | undefined {
  const address = text.slice(1, -1);
  if (!text.endsWith(']') || address.includes('%') || !isIPv6(address)) return undefined;
  return new URL(`http://${text}`).hostname;
}
