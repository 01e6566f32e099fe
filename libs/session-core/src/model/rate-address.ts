import { isIPv6 } from 'node:net';

const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
const GROUPS_OF_SITE = 4;

/**
 * A source address as rates count it: IPv4 as it is, also where it is written as IPv6 (RFC 4291 2.5.5.2); of IPv6 the /64, which is what
 * one site has (RFC 6177), as its first four groups. '' for none.
 */
export function rateAddress(address: string | null): string {
  if (address === null || !isIPv6(address)) return address ?? '';
  const [unzoned = ''] = address.split('%');
  // The URL parser brings it to its one canonical form (RFC 5952), also where the end is written as IPv4.
  const canonical = new URL(`http://[${unzoned}]`).hostname.slice(1, -1);
  const mapped = MAPPED.exec(canonical);
  if (mapped !== null) return dotted(`${mapped[1]}`, `${mapped[2]}`);
  const [head = '', tail] = canonical.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array.from({ length: gap }, () => '0'), ...last];
  return `${groups.slice(0, GROUPS_OF_SITE).join(':')}::/64`;
}

function dotted(high: string, low: string): string {
  const bits = Number.parseInt(high, 16) * 0x1_00_00 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits / 2 ** shift) & 0xff).join('.');
}
