import { existsSync } from 'node:fs';
import { chown, copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import Libsql from 'libsql';

import { isInUse } from './in-use.js';
import { backUpFile, checkFile, HistoryDatabase, restoreFile } from '../index.js';
import { refused as refusal } from '../../test/history-events.fixture.js';

const START_MS = Date.UTC(2026, 0, 1);

/** Files that no connection of this process has seen: one that is closed keeps its lock until its statements are collected. */
let seeds: string;
let dir: string;
/** The history file; in a folder of its own, so that what is left beside it shows. */
let path: string;
let backup: string;

beforeAll(async () => {
  seeds = await mkdtemp(join(tmpdir(), 'berth-seeds-'));
  for (const rows of [300, 500]) {
    const database = await HistoryDatabase.open({ url: `sqlite://${join(seeds, String(rows))}` });
    await database.apply(
      Array.from({ length: rows }, (_, n) => refusal(`${n}`, { user: `u${n % 100}`, atMs: START_MS + n })),
    );
    await database.close();
  }
});

afterAll(async () => {
  await rm(seeds, { recursive: true, force: true });
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-files-'));
  await mkdir(join(dir, 'data'));
  [path, backup] = [join(dir, 'data', 'history.db'), join(dir, 'backup.db')];
  await copyFile(join(seeds, '500'), path);
  await copyFile(join(seeds, '300'), backup);
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const beside = async () => (await readdir(join(dir, 'data'))).toSorted();
/** Without the empty log that stays until a connection which met damage is collected. */
const filesBeside = async () => (await beside()).filter((name) => !/-(wal|shm)$/.test(name));
const refused = (part: string) =>
  expect.objectContaining({ code: 'history-backup', message: expect.stringContaining(part) });

/** In the file itself, whatever its log has. */
function rowsIn(file: string): number {
  const database = new Libsql(`${pathToFileURL(file).href}?immutable=1`);
  try {
    return (database.prepare('select count(*) as n from sessions').get() as { n: number }).n;
  } finally {
    database.close();
  }
}

/** Somebody who has it open; idle. */
function userOf(file: string): Libsql.Database {
  const user = new Libsql(file);
  user.exec('pragma journal_mode = wal; begin immediate; commit');
  return user;
}

/** The log of a writer that was killed before any of it came into its file. */
async function killWriter(): Promise<void> {
  const living = join(dir, 'living.db');
  await copyFile(join(seeds, '300'), living);
  const writer = userOf(living);
  writer.exec("delete from sessions where session_id = 'of-7'");
  await copyFile(living, path);
  await copyFile(`${living}-wal`, `${path}-wal`);
  writer.close();
}

/** Writes over the middle of a file, pages of tables and indices alike. */
async function damage(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  const { size } = await handle.stat();
  for (let at = 4_096; at < size; at += 2 * 4_096) await handle.write(Buffer.alloc(3_000, 7), 0, 3_000, at);
  await handle.close();
}

describe('a backup', () => {
  const to = () => join(dir, "it's a copy?.db");

  it('is whole, and nothing else is left beside it', async () => {
    const read: number[] = [];
    const bytes = (await stat(path)).size;
    expect(await backUpFile(path, to(), (size) => read.push(size))).toEqual({
      rows: 500,
      bytes: (await stat(to())).size,
    });
    expect(read).toEqual([bytes]);
    expect(rowsIn(to())).toBe(500);
    expect((await readdir(dir)).toSorted()).toEqual(['backup.db', 'data', "it's a copy?.db"]);
    expect(await beside()).toEqual(['history.db']);
  });

  it('has what is only in the log', async () => {
    await killWriter();
    expect(rowsIn(path)).toBe(300);
    expect(await backUpFile(path, to())).toMatchObject({ rows: 299 });
  });

  it('replaces nothing', async () => {
    await writeFile(to(), 'precious');
    await expect(backUpFile(path, to())).rejects.toEqual(
      refused(`${to()} exists, and a backup replaces nothing: name another file`),
    );
    expect(await readFile(to(), 'utf8')).toBe('precious');
  });

  it('of a damaged file is none, and the file stays where it is', async () => {
    await damage(path);
    await expect(backUpFile(path, to())).rejects.toEqual(refused(`${path} is no whole history database`));
    expect((await readdir(dir)).toSorted()).toEqual(['backup.db', 'data']);
    expect(await filesBeside()).toEqual(['history.db']);
  });

  it('needs a file, and a folder to be written to', async () => {
    await expect(backUpFile(join(dir, 'missing.db'), to())).rejects.toEqual(refused('There is no history file'));
    await expect(backUpFile(path, join(dir, 'nowhere', 'a.db'))).rejects.toEqual(refused('There is no folder'));
    expect((await readdir(dir)).toSorted()).toEqual(['backup.db', 'data']);
  });
});

describe('a restore', () => {
  it('puts the backup in the place of the file, and keeps what was there', async () => {
    const { replaced, ...whole } = await restoreFile(backup, path);
    expect(whole).toEqual({ rows: 300, bytes: (await stat(backup)).size });
    expect(replaced).toMatch(/history\.db\.replaced-\d{4}-/);
    expect([rowsIn(path), rowsIn(replaced ?? '')]).toEqual([300, 500]);
    expect(await beside()).toHaveLength(2);
    const again = await restoreFile(replaced ?? '', path); // also in the process that did the one before
    expect([rowsIn(path), rowsIn(again.replaced ?? '')]).toEqual([500, 300]);
  });

  it('works where there is no file yet, not even its folder', async () => {
    await rm(join(dir, 'data'), { recursive: true });
    expect(await restoreFile(backup, path)).toMatchObject({ rows: 300, replaced: null });
    expect(rowsIn(path)).toBe(300);
    expect(await beside()).toEqual(['history.db']);
  });

  it('works where there is a damaged one', async () => {
    await writeFile(path, 'no database, but long enough to have a header '.repeat(100));
    const { replaced } = await restoreFile(backup, path);
    expect(rowsIn(path)).toBe(300);
    expect(await readFile(replaced ?? '', 'utf8')).toContain('no database');
  });

  it('takes what a killed writer left in its log into the file that it keeps', async () => {
    await killWriter();
    const { replaced } = await restoreFile(backup, path);
    expect(rowsIn(replaced ?? '')).toBe(299);
    expect((await beside()).filter((name) => name.includes('-wal'))).toEqual([]);
  });

  it('is not mixed with a log whose file is gone', async () => {
    await killWriter();
    await rm(path);
    const { replaced } = await restoreFile(backup, path);
    expect(existsSync(`${replaced}-wal`)).toBe(true);
    const file = new Libsql(path);
    expect(file.prepare('select count(*) as n from sessions').get()).toMatchObject({ n: 300 });
    file.close();
  });

  it('is refused while somebody has the file open, and nothing has changed', async () => {
    const user = userOf(path);
    await expect(restoreFile(backup, path)).rejects.toEqual(refused('history.db is in use: stop limits-admin'));
    expect((await beside()).filter((name) => /restoring|replaced/.test(name))).toEqual([]);
    user.close();
    expect(rowsIn(path)).toBe(500);
    expect(await restoreFile(backup, path)).toMatchObject({ rows: 300 });
  });

  it('is undone where somebody opens the file in its middle, who loses nothing', async () => {
    let meanwhile: Libsql.Database | undefined;
    const restoring = restoreFile(backup, path, () => {
      meanwhile = userOf(path);
    });
    await expect(restoring).rejects.toEqual(refused('came into use meanwhile'));
    meanwhile?.exec("delete from sessions where session_id = 'of-7'");
    meanwhile?.close();
    expect(await beside()).toEqual(['history.db']);
    expect(rowsIn(path)).toBe(499);
  });

  it('refuses what is no whole backup, and nothing has changed', async () => {
    const named = (name: string) => join(dir, name);
    await copyFile(backup, named('damaged.db'));
    await damage(named('damaged.db'));
    await writeFile(named('other.db'), 'something else');
    await copyFile(backup, named('open.db'));
    await writeFile(named('open.db-wal'), 'rows that the file has not got');
    for (const name of ['damaged.db', 'other.db', 'open.db', 'missing.db', 'data/history.db']) {
      await expect(restoreFile(named(name), path)).rejects.toEqual(refused(named(name)));
    }
    expect(await beside()).toEqual(['history.db']);
    expect(rowsIn(path)).toBe(500);
  });

  (process.getuid?.() === 0 ? it : it.skip)('by root leaves the file to the user whose it was', async () => {
    await chown(path, 1_234, 1_235);
    await restoreFile(backup, path);
    expect(await stat(path)).toMatchObject({ uid: 1_234, gid: 1_235 });
  });
});

describe('a history file', () => {
  it('is in use while somebody has it open, and idle after', () => {
    expect(isInUse(path)).toBe(false);
    const user = userOf(path);
    expect(isInUse(path)).toBe(true);
    user.close();
    expect(isInUse(path)).toBe(false);
    expect(isInUse(join(dir, 'missing.db'))).toBe(false);
  });

  it('is looked through while it is used, with what is in its log', async () => {
    const user = userOf(path);
    user.exec("delete from sessions where session_id = 'of-7'");
    const log = (await stat(`${path}-wal`)).size;
    expect(log).toBeGreaterThan(0);
    expect(await checkFile(path)).toEqual({ rows: 499, bytes: (await stat(path)).size + log });
    user.close();
  });

  it('that is damaged is reported, and stays where it is', async () => {
    await damage(path);
    await expect(checkFile(path)).rejects.toEqual(refused('): restore a backup'));
    expect(await filesBeside()).toEqual(['history.db']);
  });

  it('is whole only with the tables of history', async () => {
    const other = new Libsql(join(dir, 'other.db'));
    other.exec('create table sessions (id)');
    other.close();
    await expect(checkFile(join(dir, 'other.db'))).rejects.toEqual(refused('no such table'));
  });
});
