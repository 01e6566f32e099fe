import { describe, expect, it } from '@jest/globals';

import { loadConfig } from '#config';

import { assertSafeBinding } from './safe-binding.js';

const loaded = loadConfig({ env: {}, cwd: '/' });
const key = { id: 'a', hash: '0'.repeat(64), role: 'admin', tenant: 'default', nodes: null, emergency: false } as const;

describe('the address that is served', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost'])('%s needs no keys', (host) => {
    expect(() => assertSafeBinding({ ...loaded, host })).not.toThrow();
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'berth.example', '127.0.0.1.example', '128.0.0.1'])(
    '%s needs keys',
    (host) => {
      expect(() => assertSafeBinding({ ...loaded, host })).toThrow(/auth\.keys is empty/);
      expect(() => assertSafeBinding({ ...loaded, host, auth: { keys: [key] } })).not.toThrow();
    },
  );
});
