import { describe, expect, it } from '@jest/globals';

import { historyAddress } from './address.js';

describe('a database URL', () => {
  it.each([
    ['sqlite://data/sessions.db', { kind: 'sqlite', path: 'data/sessions.db' }],
    ['sqlite:///var/lib/history.db', { kind: 'sqlite', path: '/var/lib/history.db' }],
    ['sqlite:history.db?mode=rwc', { kind: 'sqlite', path: 'history.db' }],
    ['file:///tmp/a%20b.db', { kind: 'sqlite', path: '/tmp/a b.db' }],
    ['sqlite:///data/100%25/what%3F/%2520.db?mode=rwc', { kind: 'sqlite', path: '/data/100%/what?/%20.db' }],
    ['/tmp/history.db', { kind: 'sqlite', path: '/tmp/history.db' }],
    ['postgresql://u:p@db/x', { kind: 'postgres', url: 'postgresql://u:p@db/x' }],
    ['sqlite::memory:', { kind: 'memory' }],
    ['memory:', { kind: 'memory' }],
  ])('%s', (url, address) => {
    expect(historyAddress(url)).toEqual(address);
  });

  it.each([
    '',
    'sqlite://',
    'mysql://x/y',
    'https://x',
    'sqlite://100%',
    'sqlite://%zz/a',
    'sqlite://a%00b',
    'sqlite://a\0b',
  ])('%j is refused', (url) => {
    expect(() => historyAddress(url)).toThrow(expect.objectContaining({ path: 'database_url' }));
  });
});
