import { canonicalAddress } from './address.js';

const GROUPS_OF_SITE = 4;
const GROUPS = 8;

/**
 * A source address as rates count it: IPv4 as it is, also where it is written as IPv6; of IPv6 the /64, which is what one site has (RFC 6177), as
 * RFC 5952 has it. '' for none.
 */
export function rateAddress(address: string | null): string {
  if (address === null) return '';
  const [unzoned = ''] = address.split('%'); // of a record from before zones were refused
  const canonical = canonicalAddress(unzoned);
  if (canonical === null) return address;
  if (!canonical.includes(':')) return canonical;
  const [head = '', tail] = canonical.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : GROUPS - first.length - last.length;
  const groups = [...first, ...Array.from({ length: gap }, () => '0'), ...last];
  return `${canonicalAddress(`${groups.slice(0, GROUPS_OF_SITE).join(':')}::`)}/64`;
}
