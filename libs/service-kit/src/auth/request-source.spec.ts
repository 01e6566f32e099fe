import type { Socket } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { RequestSources } from './request-source.js';

const sourceOf = (trusted: string[], remoteAddress: string | undefined, forwarded?: string) =>
  new RequestSources(trusted).of({
    socket: { remoteAddress } as Socket,
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  });

const PROXIES = ['10.0.0.0/8', '2001:db8:ffff::/48', '127.0.0.1'];

describe('http.trusted_proxies decides what the source is', () => {
  it.each<[string[], string | undefined, string | undefined, string]>([
    [[], '10.1.2.3', '192.0.2.1', '10.1.2.3'],
    [PROXIES, '10.1.2.3', undefined, '10.1.2.3'],
    [PROXIES, '10.1.2.3', '', '10.1.2.3'],
    [PROXIES, '10.1.2.3', '192.0.2.1', '192.0.2.1'],
    [PROXIES, '::ffff:10.1.2.3', '192.0.2.1', '192.0.2.1'],
    [PROXIES, '11.1.2.3', '192.0.2.1', '11.1.2.3'],
    [PROXIES, '10.1.2.3', '203.0.113.9, 192.0.2.1', '192.0.2.1'],
    [PROXIES, '10.1.2.3', '203.0.113.9,192.0.2.1 , 10.9.9.9,127.0.0.1', '192.0.2.1'],
    [PROXIES, '10.1.2.3', '10.7.7.7, 10.8.8.8', '10.7.7.7'],
    [PROXIES, '10.1.2.3', '192.0.2.1, nonsense', '10.1.2.3'],
    [PROXIES, '10.1.2.3', '192.0.2.1:4711', '192.0.2.1'],
    [PROXIES, '10.1.2.3', '[2001:db8:1:2:3::4]:443', '2001:db8:1:2::/64'],
    [PROXIES, '2001:db8:ffff::9', '192.0.2.1', '192.0.2.1'],
    [['0.0.0.0/0'], '203.0.113.7', '192.0.2.1', '192.0.2.1'],
    [[], '2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
    [[], 'fe80::1%eth0', undefined, 'fe80::/64'],
    [[], undefined, '192.0.2.1', 'unknown'],
  ])('%j: %s with X-Forwarded-For %s is %s', (trusted, remote, forwarded, expected) => {
    expect(sourceOf(trusted, remote, forwarded)).toBe(expected);
  });
});
