import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv4 } from 'node:net';

import { parseNetwork } from '#config';
import { canonicalAddress, rateAddress } from '#session-core';

/** Where a request comes from, as far as that is certain. */
export class RequestSources {
  private readonly trusted = new BlockList();

  /** Addresses and networks whose word about others is taken. */
  constructor(trustedProxies: readonly string[]) {
    for (const written of trustedProxies) {
      const network = parseNetwork(written);
      if (network === null) throw new RangeError(`${written} is no network`);
      this.trusted.addSubnet(network.address, network.prefix, network.family);
    }
  }

  /**
   * The address of the caller, of IPv6 its /64. Behind trusted proxies it is the last of `X-Forwarded-For` that is none of them: what stands before that
   * may have been written by the caller.
   */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    const [unzoned = ''] = (socket.remoteAddress ?? '').split('%');
    let source = canonicalAddress(unzoned) ?? 'unknown';
    const hops = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',');
    while (hops.length > 0 && this.isTrusted(source)) {
      const before = hopAddress(hops.pop() ?? '');
      if (before === null) break;
      source = before;
    }
    return rateAddress(source);
  }

  private isTrusted(address: string): boolean {
    return address !== 'unknown' && this.trusted.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  }
}

/** Some proxies add the port. */
function hopAddress(hop: string): string | null {
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(hop.trim()) ?? [];
  return canonicalAddress(bracketed ?? dotted ?? hop.trim());
}
