import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, expect, it } from '@jest/globals';
import Libsql from 'libsql';

import { HistoryDatabase } from '#session-history';
import { endedAfterEach, eventually, startProcess, type ManagedProcess } from '#testing';

/** What takes processes of its own; the rest is in history-command.spec.ts. */

const SCRIPT = resolve('scripts/history.mjs');
const WRITER = resolve(import.meta.dirname, 'writer.fixture.mjs');

let dir: string;
let path: string;
let env: Record<string, string | undefined>;
const running = endedAfterEach<ManagedProcess>((one) => one.stop());

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-command-'));
  await mkdir(join(dir, 'data'));
  path = join(dir, 'data', 'history.db');
  env = {
    NODE_OPTIONS: undefined,
    npm_lifecycle_event: undefined,
    BERTH_CONFIG: undefined,
    BERTH_DATABASE_URL: undefined,
    BERTH_DATA_DIR: 'data',
  };
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function start(...words: string[]): Promise<ManagedProcess> {
  const command = await startProcess(process.execPath, [SCRIPT, ...words], { env, cwd: dir });
  running.push(command);
  return command;
}

/** Runs the command to its end. */
async function history(...words: string[]): Promise<{ code: number | null; output: string }> {
  const command = await start(...words);
  const { code } = await command.exited;
  return { code, output: command.output() };
}

/** A process that has the history file open; it has written so many rows, or goes on writing. */
async function writer(rows?: number): Promise<ManagedProcess> {
  const url = `sqlite://${path}`;
  const args = [WRITER, url, ...(rows === undefined ? [] : [String(rows)])];
  const line = rows === undefined ? /^open$/ : /^written$/;
  const one = await startProcess(process.execPath, args, { env, ready: { line } });
  running.push(one);
  return one;
}

/** A history without a row. */
async function empty(): Promise<void> {
  await (await HistoryDatabase.open({ url: `sqlite://${path}` })).close();
}

it('a backup is of one moment, while another process writes', async () => {
  const busy = await writer();
  await eventually(() => busy.output().includes('at 5000\n'));
  const { code, output } = await history('backup', 'copy.db');
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('Backup written and looked through') });
  expect(busy.running).toBe(true);
  const copy = new Libsql(join(dir, 'copy.db'));
  const copied = (text: string) => (copy.prepare(text).get() as { n: number }).n;
  const rows = copied('select count(*) as n from sessions');
  expect(rows).toBeGreaterThan(5_000);
  expect(output).toContain(`${rows.toLocaleString('en-US')} rows`);
  // Rows and sums agree, and no row is missing between two.
  expect(copied("select sum(refusals) as n from rollups where scope = 'total' and span = 24")).toBe(rows);
  expect(copied('select max(cast(substr(session_id, 2) as integer)) as n from sessions')).toBe(rows - 1);
  copy.close();
  expect((await readdir(dir)).toSorted()).toEqual(['copy.db', 'data']);
});

it('a backup that is broken off leaves nothing behind', async () => {
  await empty();
  const file = new Libsql(path);
  file.exec(`create table ballast as
    with recursive n(n) as (select 1 union all select n + 1 from n where n < 20000) select randomblob(4000) from n`);
  file.close();
  const command = await start('backup', 'copy.db');
  await eventually(() => existsSync(join(dir, 'copy.db.unfinished')) || !command.running, { intervalMs: 1 });
  command.signal('SIGINT');
  const { code } = await command.exited;
  expect([0, 130]).toContain(code); // on a fast machine it may have been done already
  expect((await readdir(dir)).filter((name) => name.includes('unfinished'))).toEqual([]);
});

it('files are named from where npm was called', async () => {
  await empty();
  await mkdir(join(dir, 'mine'));
  env = { ...env, npm_lifecycle_event: 'history', INIT_CWD: join(dir, 'mine') };
  expect(await history('backup', 'copy.db')).toMatchObject({ code: 0 });
  expect(existsSync(join(dir, 'mine', 'copy.db'))).toBe(true);
});

it('a restore is refused while another process has the file open, idle as it is, and done when it has ended', async () => {
  const idle = await writer(500);
  expect(await history('backup', 'copy.db')).toMatchObject({ code: 0 });
  expect(await history('restore', 'copy.db')).toEqual({
    code: 1,
    output: expect.stringMatching(/^[^\n]*history\.db is in use: stop limits-admin[^\n]*\n$/),
  });
  await idle.stop();
  expect(await history('restore', 'copy.db')).toMatchObject({ code: 0 });
  await (await writer(600)).stop(); // it is used again
  expect(await history('check')).toEqual({ code: 0, output: expect.stringContaining('It is whole: 600 rows') });
  expect((await readdir(join(dir, 'data'))).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);
});

it('the exit code tells what was not understood', async () => {
  const [wrong, help] = await Promise.all([history('frobnicate'), history('--help')]);
  expect(wrong).toEqual({ code: 2, output: expect.stringContaining('Found "frobnicate"') });
  expect(help).toEqual({ code: 0, output: expect.stringContaining('Usage') });
});
