import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

const MAX_PORT = 65_535;
const MAX_HOST_CHARS = 253;
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
/** A name in a network: labels of letters, digits, `-` and `_`, of which the last is no number (else it would be an IPv4 address gone wrong). */
const HOST_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!\d+$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const WITH_PORT = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/;

/**
 * The one form of an IP address: IPv4 as it is, IPv6 as RFC 5952 has it, and IPv4 that is written as IPv6 (RFC 4291 2.5.5.2) as IPv4. Null
 * for what is none, or has a zone: that means something on one machine only.
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return null;
  // The URL parser brings it to its one form, also where the end is written as IPv4.
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = MAPPED.exec(canonical);
  return mapped === null ? canonical : dotted(`${mapped[1]}`, `${mapped[2]}`);
}

/** The one form of a host: an address, with or without brackets, or a name in lower case, ASCII (RFC 5891), without a dot at the end. Null for neither. */
export function canonicalHost(text: string): string | null {
  const bracketed = /^\[([^\]]*)\]$/.exec(text)?.[1];
  if (bracketed !== undefined) return isIPv6(bracketed) ? canonicalAddress(bracketed) : null;
  const address = canonicalAddress(text);
  if (address !== null) return address;
  const lower = (/^[\x20-\x7E]*$/.test(text) ? text : domainToASCII(text)).toLowerCase().replace(/\.$/, '');
  return lower.length <= MAX_HOST_CHARS && HOST_NAME.test(lower) ? lower : null;
}

/** The one form of a destination, `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; port 0 is none. Null for anything else. */
export function canonicalDestination(text: string): string | null {
  const [, host = '', digits = '0'] = isIPv6(text) ? ['', text] : (WITH_PORT.exec(text) ?? []);
  const canonical = canonicalHost(host);
  const port = Number(digits);
  if (canonical === null || port > MAX_PORT) return null;
  const shown = canonical.includes(':') ? `[${canonical}]` : canonical;
  return port === 0 ? shown : `${shown}:${port}`;
}

function dotted(high: string, low: string): string {
  const bits = Number.parseInt(high, 16) * 0x1_00_00 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits / 2 ** shift) & 0xff).join('.');
}
