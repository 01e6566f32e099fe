#!/usr/bin/env node
// `npm run history -- backup <file> | restore <file> | check`: keeps the history database. See docs/operations.md; --help tells more.
import './lib/node-version.mjs';

import { existsSync } from 'node:fs';

const built = new URL('../dist/libs/history-projector/src/keeping/history-command.js', import.meta.url);

if (!existsSync(built)) {
  console.error('Berth is not built here: npm ci && npm run build');
  process.exit(1);
}
const { historyCommand } = await import(built.href);
// npm runs this in the folder of Berth; files are named from where npm was called.
const isByNpm = process.env.npm_lifecycle_event === 'history';
process.exitCode = await historyCommand({
  words: process.argv.slice(2),
  folder: (isByNpm && process.env.INIT_CWD) || process.cwd(),
  say: console.log,
  complain: console.error,
});
