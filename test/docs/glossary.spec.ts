import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { END_REASONS } from '#session-core';

describe('the glossary', () => {
  const glossary = readFileSync(join(import.meta.dirname, '../../docs/glossary.md'), 'utf8');

  it('explains every reason of an end, and no other', () => {
    const [, ends = ''] = /^## Ends$([^]*?)^\| word/m.exec(glossary) ?? [];
    const reasons = [...ends.matchAll(/^\| `(\w+)`/gm)].map(([, reason]) => reason);
    expect(new Set(reasons)).toEqual(new Set(END_REASONS));
  });

  it('explains each word once', () => {
    const words = [...glossary.matchAll(/^\| ([^|]+?) +\|/gm)].map(([, word = '']) => word);
    const explained = words.flatMap((word) => word.split(', ')).filter((word) => !/^(word|reason|-+)$/.test(word));
    expect(explained).toEqual([...new Set(explained)]);
    expect(explained.length).toBeGreaterThan(50);
  });
});
