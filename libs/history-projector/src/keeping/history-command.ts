import { resolve } from 'node:path';

import { loadConfig } from '#config';
import { runCommand, type CommandLine } from '#service-kit';
import { historyAddress, HistoryDatabase, type HistoryAddress } from '#session-history';

import { backUp, check, restore, type Say } from './history-keeping.js';
import { dumpCommand, restoreCommand } from './postgres-commands.js';

export const USAGE = `Usage, by hand or from cron:

  npm run history -- backup <file>     copies the history file while it is used, and looks the copy through
  npm run history -- restore <file>    puts a backup in its place; stop limits-admin before
  npm run history -- check             looks the history file through while it is used

Which database that is says the configuration of the service: BERTH_CONFIG or berth.yaml, BERTH_DATA_DIR, BERTH_DATABASE_URL.
Exit codes: 0 done, 1 not done, 2 not understood.`;

/** With how many files each word is followed. */
const WORDS = { backup: 1, restore: 1, check: 0 } as const;
type Word = keyof typeof WORDS;

export interface HistoryCommandLine extends CommandLine {
  /** Where files are named from. */
  folder: string;
}

/** Not done, for a reason that the caller can mend. */
class RefusedError extends Error {}

/** Keeps the history database: see `USAGE`. Resolves with the exit code; it prints what went wrong. */
export async function historyCommand({ folder, ...line }: HistoryCommandLine): Promise<number> {
  const [word, file = ''] = line.words as [Word, string?];
  const run = async () => {
    await keep(word, resolve(folder, file), line.say);
    return 0;
  };
  return await runCommand(line, { name: 'history', usage: USAGE, misunderstanding, run });
}

function misunderstanding([word, ...files]: readonly string[]): string | null {
  const expected = 'expected backup <file>, restore <file> or check';
  if (word === undefined) return `What to do is missing, ${expected}`;
  if (!Object.hasOwn(WORDS, word)) return `Found ${JSON.stringify(word)}, ${expected}`;
  const option = files.find((file) => file.startsWith('-') || file === '');
  if (option !== undefined) return `Found ${JSON.stringify(option)} in place of a file, ${expected}`;
  const count = WORDS[word as Word];
  if (files.length === count) return null;
  return count === 0 ? `${word} takes no file, ${expected}` : `${word} takes one file, found ${files.length}`;
}

async function keep(word: Word, file: string, say: Say): Promise<void> {
  const { history } = loadConfig();
  if (history === null) throw new RefusedError('No history is kept: history.enabled is false');
  const address = historyAddress(history.url);
  if (address.kind === 'memory') {
    throw new RefusedError(`History is kept in the memory of limits-admin: there is nothing to ${VERB[word]}`);
  }
  if (address.kind === 'postgres') return await keepPostgres(word, address, file, say);
  const path = resolve(address.path);
  if (word === 'backup') await backUp(path, file, say);
  else if (word === 'restore') await restore(file, path, say);
  else await check(path, say);
}

const VERB: Record<Word, string> = { backup: 'back up', restore: 'restore', check: 'check' };

async function keepPostgres(
  word: Word,
  { url }: HistoryAddress & { kind: 'postgres' },
  file: string,
  say: Say,
): Promise<void> {
  if (word === 'backup')
    throw new RefusedError(`History is in PostgreSQL, whose own program does it: ${dumpCommand(url, file)}`);
  if (word === 'restore') {
    throw new RefusedError(
      `History is in PostgreSQL, whose own program does it, limits-admin stopped: ${restoreCommand(url, file)}`,
    );
  }
  const database = await HistoryDatabase.open({ url });
  try {
    await database.check();
    say('PostgreSQL answers and takes writes.');
  } finally {
    await database.close();
  }
}
