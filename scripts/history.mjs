#!/usr/bin/env node
// `npm run history -- backup <file> | restore <file> | check`: keeps the history database. See docs/operations.md; --help tells more.
import './lib/node-version.mjs';
import { importBuilt } from './lib/built.mjs';

const { historyCommand } = await importBuilt('libs/history-projector/src/keeping/history-command.js');
// npm runs this in the folder of Berth; files are named from where npm was called.
const isByNpm = process.env.npm_lifecycle_event === 'history';
process.exitCode = await historyCommand({
  words: process.argv.slice(2),
  folder: (isByNpm && process.env.INIT_CWD) || process.cwd(),
  say: console.log,
  complain: console.error,
});
