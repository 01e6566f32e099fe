import { BlockList, isIPv4, isIPv6 } from 'node:net';

import { ConfigError, type BerthConfig } from '#config';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Throws `ConfigError` where anybody on the network could call: another address than loopback, and no keys. */
export function assertSafeBinding(config: Pick<BerthConfig, 'host' | 'auth' | 'file'>): void {
  if (config.auth.keys.length > 0 || isLoopback(config.host)) return;
  throw new ConfigError(config.file, [
    `BERTH_HOST: found "${config.host}", expected a loopback address such as 127.0.0.1, because auth.keys is empty; ` +
      'make a key with `npm run key` and add it there to serve other addresses',
  ]);
}

export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  // Without the list, whose checks make native objects: without keys every request is judged, which was 5 % of a gateway's CPU.
  if (isIPv4(address)) return address.startsWith('127.');
  return isIPv6(address) ? loopback.check(address, 'ipv6') : address.toLowerCase() === 'localhost';
}
