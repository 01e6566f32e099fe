import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { canonicalAddress, canonicalDestination, canonicalHost } from './address.js';

describe('an address has one form', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['2001:DB8::7', '2001:db8::7'],
    ['2001:0db8:0000:0000:0000:0000:0000:0007', '2001:db8::7'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::', '::'],
  ])('%s is %s', (text, form) => expect(canonicalAddress(text)).toBe(form));

  it.each([
    '',
    'fe80::1%eth0',
    '192.0.2',
    '192.0.2.010',
    '[2001:db8::7]',
    '2001:db8::7::1',
    'example.com',
    '192.0.2.7 ',
  ])('%j is none', (text) => expect(canonicalAddress(text)).toBeNull());

  it('however IPv6 is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const form = canonicalAddress(text);
        expect(form).not.toBeNull();
        expect(canonicalAddress(text.toUpperCase())).toBe(form);
        expect(canonicalAddress(form!)).toBe(form);
      }),
    );
  });
});

describe('a host has one form', () => {
  it.each([
    ['Example.COM', 'example.com'],
    ['example.com.', 'example.com'],
    ['[2001:DB8:0::7]', '2001:db8::7'],
    ['_sip._udp.example.com', '_sip._udp.example.com'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    ['localhost', 'localhost'],
  ])('%s is %s', (text, form) => expect(canonicalHost(text)).toBe(form));

  it.each([
    '',
    '.',
    'a..b',
    '-a.example',
    '[192.0.2.7]',
    '[fe80::1%25eth0]',
    '192.0.2.256',
    '1.2.3',
    'a b',
    'a/b',
    'a@b',
    'x'.repeat(64),
  ])('%j is none', (text) => expect(canonicalHost(text)).toBeNull());
});

describe('a destination has one form', () => {
  it.each([
    ['[2001:db8::7]:443', '[2001:db8::7]:443'],
    ['[2001:DB8:0:0::7]:443', '[2001:db8::7]:443'],
    ['[2001:0db8::0007]:0443', '[2001:db8::7]:443'],
    ['2001:db8::7', '[2001:db8::7]'],
    ['[::ffff:198.51.100.7]:5060', '198.51.100.7:5060'],
    ['Example.com.:443', 'example.com:443'],
    ['example.com:0', 'example.com'],
    ['example.com', 'example.com'],
  ])('%s is %s', (text, form) => {
    expect(canonicalDestination(text)).toBe(form);
    expect(canonicalDestination(form)).toBe(form);
  });

  it.each([
    '',
    ':443',
    '[::1',
    '[::1]443',
    '[fe80::1%eth0]:443',
    'example.com:65536',
    'example.com:',
    'example.com:http',
    'a:b:c',
    'sip:bob@example.com',
  ])('%j is none', (text) => expect(canonicalDestination(text)).toBeNull());
});
