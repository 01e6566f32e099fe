import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { ConfigError } from './config.error.js';
import { loadConfig } from './load-config.js';

const GALLERY = join(import.meta.dirname, '../test/gallery');
const files = readdirSync(GALLERY).filter((name) => /^(bad|good)-/.test(name));

/** `# env: NAME=value` sets a variable; `#! line` is a line of the message that has to come, in order. */
function read(name: string) {
  const lines = readFileSync(join(GALLERY, name), 'utf8').split('\n');
  const tagged = (tag: string) => lines.filter((line) => line.startsWith(tag)).map((line) => line.slice(tag.length));
  return {
    expected: tagged('#! '),
    env: Object.fromEntries(tagged('# env: ').map((line) => line.split(/=(.*)/s).slice(0, 2))),
  };
}

function load(name: string): string[] {
  try {
    loadConfig({ env: { BERTH_CONFIG: name, ...read(name).env }, cwd: GALLERY });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('the gallery of bad configuration files', () => {
  it.each(files.filter((name) => name.startsWith('bad-')))('%s gives exactly its message', (name) => {
    const [head, ...problems] = load(name);
    expect(head).toBe(`Configuration refused (${name}):`);
    expect(problems.map((line) => line.trim())).toEqual(read(name).expected);
  });
});

describe('a line redis.x=y', () => {
  it('names itself in the error, and not its value', () => {
    const named = files.filter((name) => name.startsWith('bad-assignments'));
    expect(named).toHaveLength(3);
    for (const name of named) {
      const message = load(name).join('\n');
      expect(message).toContain('redis.host: found ');
      expect(message).not.toMatch(/localhost|secret/);
    }
  });
});

describe('the gallery of good configuration files', () => {
  it.each(files.filter((name) => name.startsWith('good-')))('%s is taken', (name) => {
    expect(load(name)).toEqual([]);
  });
});
