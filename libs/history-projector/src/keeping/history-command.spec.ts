import { copyFile, mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { HistoryDatabase } from '#session-history';
import { freePort } from '#testing';

import { refused } from '../../../session-history/test/history-events.fixture.js';
import { historyCommand } from './history-command.js';
import { dumpCommand, restoreCommand } from './postgres-commands.js';

const ENVIRONMENT = { ...process.env };

/** A file of 300 rows that no connection of this process has seen under another name: a closed one may keep its lock. */
let seed: string;
let dir: string;
let path: string;

beforeAll(async () => {
  seed = join(await mkdtemp(join(tmpdir(), 'berth-seed-')), 'seed.db');
  const database = await HistoryDatabase.open({ url: `sqlite://${seed}` });
  await database.apply(Array.from({ length: 300 }, (_, n) => refused(`r${n}`, { atMs: Date.UTC(2026, 0, 1) + n })));
  await database.close();
});

afterAll(async () => {
  await rm(join(seed, '..'), { recursive: true, force: true });
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-command-'));
  path = join(dir, 'data', 'history.db');
  await configure('');
});

afterEach(async () => {
  process.env = { ...ENVIRONMENT };
  await rm(dir, { recursive: true, force: true });
});

async function configure(yaml: string, env: Record<string, string> = {}): Promise<void> {
  const { BERTH_DATABASE_URL: _, ...others } = ENVIRONMENT;
  const file = join(dir, 'berth.yaml');
  await writeFile(file, yaml);
  process.env = { ...others, BERTH_CONFIG: file, BERTH_DATA_DIR: join(dir, 'data'), ...env };
}

async function filled(): Promise<void> {
  await mkdir(join(dir, 'data'), { recursive: true });
  await copyFile(seed, path);
}

async function run(...words: string[]) {
  const [printed, complained]: [string[], string[]] = [[], []];
  const code = await historyCommand({
    words,
    folder: dir,
    say: (line) => printed.push(line),
    complain: (line) => complained.push(line),
  });
  return { code, printed: printed.join('\n'), complained };
}

/** Not done, for this reason, in one line. */
function expectNotDone({ code, printed, complained }: Awaited<ReturnType<typeof run>>, reason: string): void {
  expect({ code, printed, complained }).toEqual({
    code: 1,
    printed: '',
    complained: [expect.stringMatching(/^[^\n]+$/)],
  });
  expect(complained[0]).toContain(reason);
  expect(complained[0]).not.toContain('hunter2');
}

describe('npm run history', () => {
  it.each([
    [[], 'What to do is missing'],
    [['frobnicate'], 'Found "frobnicate", expected backup <file>, restore <file> or check'],
    [['constructor'], 'Found "constructor"'],
    [['backup'], 'backup takes one file, found 0'],
    [['restore', 'a', 'b'], 'restore takes one file, found 2'],
    [['check', 'a'], 'check takes no file'],
    [['backup', '--force'], 'Found "--force" in place of a file'],
    [['backup', ''], 'Found "" in place of a file'],
    [['backup', 'a\nb', 'c'], 'backup takes one file, found 2'],
  ])('%j is refused in one line', async (words, message) => {
    expect(await run(...words)).toEqual({
      code: 2,
      printed: '',
      complained: [expect.stringMatching(/^[^\n]+--help\)$/)],
    });
    expect((await run(...words)).complained[0]).toContain(message);
  });

  it.each([[['--help']], [['-h']], [['backup', '--help']]])('%j explains it', async (words) => {
    expect(await run(...words)).toEqual({ code: 0, printed: expect.stringContaining('Usage'), complained: [] });
  });
});

describe('npm run history -- backup, restore, check', () => {
  const POSTGRES = { BERTH_DATABASE_URL: 'postgres://berth:hunter2@127.0.0.1/berth' };

  it('say what they do, with how many rows and bytes, and how long it took', async () => {
    await filled();
    const output = async (...words: string[]) => {
      const { code, printed, complained } = await run(...words);
      expect({ code, complained }).toEqual({ code: 0, complained: [] });
      return printed
        .replaceAll(dir, '')
        .replaceAll(/\d[\d.]* [kM]B/g, '<size>')
        .replaceAll(/\d+\.\d s/g, '<time>');
    };
    expect(await output('backup', 'copy.db')).toBe(
      'Backing up /data/history.db (<size>) …\nBackup written and looked through: /copy.db, 300 rows, <size>, in <time>.',
    );
    expect(await output('restore', 'copy.db')).toMatch(
      /^Restoring \/data\/history\.db from \/copy\.db \(<size>\) …\nRestored: 300 rows, <size>, in <time>\.\nWhat was there before is kept: \/data\/history\.db\.replaced-\S+$/,
    );
    expect(await output('check')).toBe(
      'Looking /data/history.db (<size>) through …\nIt is whole: 300 rows, <size>, in <time>.',
    );
  });

  it('say what is in the way before they begin', async () => {
    await filled();
    await writeFile(join(dir, 'copy.db'), 'precious');
    expectNotDone(await run('backup', 'copy.db'), 'copy.db exists');
    expectNotDone(await run('restore', 'missing.db'), 'There is no file');
  });

  it('say what is damaged', async () => {
    await filled();
    await truncate(path, 8_192);
    const { printed, ...rest } = await run('check');
    expect(printed).toMatch(/^Looking .* through …$/);
    expectNotDone({ ...rest, printed: '' }, 'is no whole history database');
  });

  it.each([
    ['without a history file', {}, 'There is no history file'],
    ['without history', { yaml: 'history: { enabled: false }' }, 'history.enabled is false'],
    ['of memory', { BERTH_DATABASE_URL: 'memory:' }, 'there is nothing to back up'],
    ['of PostgreSQL', POSTGRES, 'whose own program does it: pg_dump'],
  ])('%s: a backup says why there is none', async (_, { yaml = '', ...env }: Record<string, string>, reason) => {
    await configure(yaml, env);
    expectNotDone(await run('backup', 'copy.db'), reason);
    expect(await readdir(dir)).toEqual(['berth.yaml']);
  });

  it('of PostgreSQL: a restore says what does it', async () => {
    await configure('', POSTGRES);
    expectNotDone(await run('restore', 'copy.dump'), 'limits-admin stopped: pg_restore');
  });

  it('say what is wrong with the configuration, and make nothing', async () => {
    await configure('', { BERTH_DATABASE_URL: 'mysql://u:hunter2@db/x' });
    const { code, printed, complained } = await run('backup', 'copy.db');
    expect({ code, printed, complained }).toEqual({ code: 1, printed: '', complained: [expect.any(String)] });
    expect(complained[0]).toContain('BERTH_DATABASE_URL: found mysql:');
    expect(complained[0]).not.toContain('hunter2');
    expect(await readdir(dir)).toEqual(['berth.yaml']);
  });

  it('of PostgreSQL that is away say so', async () => {
    await configure('', { BERTH_DATABASE_URL: `postgres://berth:hunter2@127.0.0.1:${await freePort()}/berth` });
    expectNotDone(await run('check'), 'unavailable (away)');
  });
});

describe('the commands of PostgreSQL', () => {
  const url = 'postgres://berth:hunter2@db.example:5433/berth?sslmode=require&password=hunter2';
  const target = "'postgres://berth@db.example:5433/berth?sslmode=require'";

  it('name files and databases for a shell, and no password', () => {
    expect(dumpCommand(url, "/a b/it's")).toBe(
      `pg_dump --format=custom --table=sessions --table=session_groups --table=rollups --table=gaps --table=erasures --table=lineage --table='kysely_*' --file='/a b/it'\\''s' ${target}`,
    );
    expect(restoreCommand(url, '/x.dump')).toBe(
      `pg_restore --clean --if-exists --single-transaction --dbname=${target} '/x.dump'`,
    );
  });
});
