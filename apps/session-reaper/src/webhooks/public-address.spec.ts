import { describe, expect, it } from '@jest/globals';

import { assertPublicIfAddress, isPublicAddress, PrivateAddressError, publicLookup } from './public-address.js';

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '2a00:1450::1',
];
const OTHERS = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.255',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '192.0.2.1',
  '198.18.0.1',
  '203.0.113.9',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fd12::1',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  '4000::1',
  '',
  'localhost',
];

describe('the addresses that webhooks may have', () => {
  it.each(PUBLIC)('include %s', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each(OTHERS)('do not include %j', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['http://127.0.0.1/', 'http://2130706433/', 'http://0x7f.1/', 'http://[::1]/', 'http://[::ffff:7f00:1]/'])(
    'do not include that of %s, however it is written',
    (url) => {
      expect(() => assertPublicIfAddress(new URL(url).hostname)).toThrow(PrivateAddressError);
    },
  );

  it.each([false, true])('are looked at when a name is resolved (all: %j)', async (all) => {
    const error = await new Promise((resolve) => publicLookup('localhost', { all }, resolve));
    expect(error).toBeInstanceOf(PrivateAddressError);
  });
});
