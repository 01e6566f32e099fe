// Part of `npm run check`: a file of product code has at most 300 lines, all of them counted, or says in its head why it is longer.
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { root } from '../lib/paths.mjs';

const MAX_LINES = 300;
/** How far the head of a file reaches. */
const HEAD_LINES = 40;
/** What the head says where a file is longer, e.g. `Longer than 300 lines: one table that is read as a whole.` */
const REASON = /Longer than 300 lines: \S/;
const PRODUCT = /^(apps|libs)\/.*\.(ts|lua)$|^scripts\/.*\.mjs$/;
const TESTS = /\.(spec|fixture)\.ts$|\/test\/|^libs\/testing\//;

const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});
for (const path of new Set(listed.split('\0'))) {
  if (!PRODUCT.test(path) || TESTS.test(path)) continue;
  const text = await readFile(join(root, path), 'utf8').catch(() => '');
  const lines = text.trimEnd().split('\n');
  if (lines.length <= MAX_LINES || REASON.test(lines.slice(0, HEAD_LINES).join('\n'))) continue;
  const remedy = 'move a piece out, or give the reason in its head: "Longer than 300 lines: …"';
  console.error(`${path} has ${lines.length} lines, ${MAX_LINES} are allowed: ${remedy}`);
  process.exitCode = 1;
}
