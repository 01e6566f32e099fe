import { describe, expect, it } from '@jest/globals';

import { destinationName, hostAndPort } from './destination.js';

describe('a destination', () => {
  it.each([
    ['198.51.100.7:5060', '198.51.100.7', 5060],
    ['example.com:443', 'example.com', 443],
    ['[2001:db8::1]:443', '2001:db8::1', 443],
    ['[2001:DB8:0:0::1]:0443', '2001:db8::1', 443],
    ['[::ffff:192.0.2.7]:443', '192.0.2.7', 443],
    ['Example.COM.:443', 'example.com', 443],
    ['[::1]', '::1', 0],
    ['host', 'host', 0],
    ['', '', 0],
    ['2001:db8::1', '2001:db8::1', 0],
    ['host:99999', 'host:99999', 0],
    ['a:b:c', 'a:b:c', 0],
  ])('%j is the host %j and the port %d', (text, host, port) => {
    expect(hostAndPort(text)).toEqual({ host, port });
  });

  it('has one name', () => {
    expect(destinationName('example.com', 443)).toBe('example.com:443');
    expect(destinationName('::1', 80)).toBe('[::1]:80');
  });
});
