import { describe, expect, it } from '@jest/globals';

import { parseRedisUrl } from './redis-address.js';

describe('a Redis URL', () => {
  it.each([
    ['redis://localhost', { mode: 'standalone', nodes: [{ host: 'localhost', port: 6379 }], tls: false }],
    ['redis://h/', { mode: 'standalone', nodes: [{ host: 'h', port: 6379 }], tls: false }],
    ['rediss://h:1/2', { mode: 'standalone', nodes: [{ host: 'h', port: 1 }], tls: true, database: 2 }],
    [
      'redis://user:p%40ss%3a@[::1]:6380',
      { mode: 'standalone', nodes: [{ host: '::1', port: 6380 }], tls: false, username: 'user', password: 'p@ss:' },
    ],
    ['redis://:pass@h', { mode: 'standalone', nodes: [{ host: 'h', port: 6379 }], tls: false, password: 'pass' }],
    // Not encoded as it should be, and still clear: the last @ ends the password.
    ['redis://:p@ss@h', { mode: 'standalone', nodes: [{ host: 'h', port: 6379 }], tls: false, password: 'p@ss' }],
    [
      'redis+sentinel://a,b:26380/main/1',
      {
        mode: 'sentinel',
        nodes: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 26380 },
        ],
        tls: false,
        masterName: 'main',
        database: 1,
      },
    ],
    [
      'redis+sentinel://a',
      { mode: 'sentinel', nodes: [{ host: 'a', port: 26379 }], tls: false, masterName: 'mymaster' },
    ],
    [
      'rediss+cluster://a:7000,b:7001',
      {
        mode: 'cluster',
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 7001 },
        ],
        tls: true,
      },
    ],
  ])('%s is read', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual(expected);
  });

  it.each([
    'localhost:6379',
    'http://h',
    'redis://',
    'redis://a,b',
    'redis://h:0',
    'redis://h:65536',
    'redis://h/x',
    'redis://h/0/1',
    'redis://h?db=1',
    'redis://:%zz@h',
    'redis+cluster://a,,b',
    'redis+other://h',
  ])('%s is refused', (url) => {
    expect(parseRedisUrl(url)).toBeNull();
  });
});
