import { BlockList, isIP } from 'node:net';

import type { BerthConfig } from '../config/berth.config.js';
import { ConfigError } from '../config/config.error.js';

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
  const family = isIP(address);
  if (family === 0) return address.toLowerCase() === 'localhost';
  return loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
