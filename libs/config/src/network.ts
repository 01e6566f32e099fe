import { isIPv4 } from 'node:net';

import { canonicalAddress } from '#session-core';

export interface Network {
  address: string;
  /** Leading bits that all its addresses share. */
  prefix: number;
  family: 'ipv4' | 'ipv6';
}

/** An address, or a network in CIDR notation. Null for anything else. */
export function parseNetwork(text: string): Network | null {
  const [, written = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = canonicalAddress(written);
  if (address === null) return null;
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const longest = family === 'ipv4' ? 32 : 128;
  const prefix = digits === undefined ? longest : Number(digits);
  return prefix <= longest ? { address, prefix, family } : null;
}
