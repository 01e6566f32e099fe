import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { configReference } from './reference.js';
import { fileSchema } from './schema/file.schema.js';
import { isSecret, settingEntries } from './setting-paths.js';

describe('the reference of the configuration', () => {
  it('is up to date; `npm run build && node scripts/config-reference.mjs` writes it', () => {
    const committed = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
    expect(committed).toBe(configReference());
  });

  it('says of every key what it means', () => {
    const silent = settingEntries(fileSchema).filter(({ path, text }) => text === '' && !path.endsWith('>'));
    expect(silent).toEqual([]);
  });

  it('agrees with the messages on which values are secret', () => {
    const marked = settingEntries(fileSchema).filter(({ secret }) => secret === true);
    expect(marked.map(({ path }) => path.slice(path.lastIndexOf('.') + 1)).every(isSecret)).toBe(true);
    expect(marked).not.toHaveLength(0);
  });
});
