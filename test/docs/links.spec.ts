import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

import { describe, expect, it } from '@jest/globals';

const ROOT = resolve(import.meta.dirname, '../..');
const pages = ['.', 'apps', 'deploy', 'docs', 'examples', 'libs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: folder !== '.', encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(ROOT, folder, name)),
);

/** Text and titles without what stands in fences: a `#` there is no heading, and brackets are no link. */
const prose = (page: string) => readFileSync(page, 'utf8').replaceAll(/^```[^]*?^```$/gm, '');

/** As GitHub makes them: lower case, letters, digits, hyphens and underscores. */
function anchorsOf(page: string): Set<string> {
  const headings = [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function brokenLinks(page: string): string[] {
  const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : resolve(dirname(page), path);
    return !existsSync(file) || (anchor !== undefined && !anchorsOf(file).has(anchor));
  });
}

describe('the pages of the project', () => {
  it.each(pages.map((page) => relative(ROOT, page)))('%s links to pages and headings that are there', (page) => {
    expect(brokenLinks(join(ROOT, page))).toEqual([]);
  });
});

it('the pictures and the text of docs/architecture.md name scripts that are there', () => {
  const named = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8').match(/\b[a-z-]+\.lua\b/g) ?? [];
  expect(named).toContain('admit.lua');
  for (const script of named)
    expect([script, existsSync(join(ROOT, 'libs/session-core/src/scripts', script))]).toEqual([script, true]);
});

it('docs/architecture.md has one picture of a call and one of an ending', () => {
  const pictures = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8').matchAll(
    /^## (.+)\n\n```mermaid\n[^]*?^```$/gm,
  );
  expect([...pictures].map(([, heading]) => heading)).toEqual(['A call', 'An ending that Berth decides']);
});
