import { existsSync } from 'node:fs';
import { open as openFile, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { HistoryDatabase, restoreFile } from '../src/index.js';
import { describeDatabases } from './databases.fixture.js';
import { plainStats } from './plain.fixture.js';
import { allRows } from './rows.fixture.js';
import { World, type Happening } from './world.fixture.js';

const DAY_MS = 86_400_000;
const START = Date.now() - 10 * DAY_MS;
const world = (count: number, gapMs: number) =>
  new World(START).run(
    Array.from({ length: count }, (_, at): Happening => ({
      what: (['admit', 'admit', 'end', 'end', 'refuse'] as const)[at % 5] ?? 'admit',
      who: at % 8,
      which: at * 7,
      afterMs: gapMs,
    })),
  );
const pathOf = (url: string) => url.replace('sqlite://', '');

describeDatabases('retention', ({ open, url, query }) => {
  it('removes what ended and began before, and nothing else; sums follow', async () => {
    const at = await url();
    const database = await open({ url: at });
    const { events } = world(1_500, 500_000);
    await database.apply(events);
    const before = await allRows(database, 'default');
    const cutoff = START + 5 * DAY_MS + 1_234;
    const goes = ({ status, start_time }: { status: string; start_time: string }) =>
      status !== 'active' && Date.parse(start_time) < cutoff;
    const removed = await database.removeOlderThan(cutoff);
    const after = await allRows(database, 'default');
    expect(after).toEqual(before.filter((row) => !goes(row)));
    expect(removed).toBeGreaterThan(before.length - after.length); // of the other tenant too
    const { peakSessions: _, ...stats } = await database.stats('default', START - DAY_MS);
    expect(stats).toMatchObject({
      ...plainStats(after, 'default', 0),
      topUsers: expect.anything(),
      topDestinations: expect.anything(),
    });
    expect(
      await query(
        at,
        `select 1 from rollups where entries = 0 and span = 1 and bucket < '${new Date(cutoff).toISOString().slice(0, 13)}'`,
      ),
    ).toEqual([]);
    expect(await database.removeOlderThan(cutoff)).toBe(0);
  });

  it('stops between two batches when it is told to', async () => {
    const database = await open();
    await database.apply(world(2_000, 1_000).events);
    const abort = new AbortController();
    const removing = database.removeOlderThan(Date.now(), abort.signal);
    abort.abort();
    const { total } = await database.history('default');
    expect(await removing).toBeLessThanOrEqual(500);
    expect((await database.history('default')).total).toBeLessThanOrEqual(total);
  });

  it('of a repeated event that comes later leaves one row, which goes with the next', async () => {
    const database = await open();
    const { events } = world(20, 1_000);
    await database.apply(events);
    await database.removeOlderThan(Date.now());
    const left = (await database.history('default')).total;
    await database.apply(events);
    await database.removeOlderThan(Date.now());
    expect((await database.history('default')).total).toBe(left);
  });
});

describeDatabases('a SQLite file', ({ kind, url, open, query }) => {
  if (kind !== 'sqlite') {
    it('is what PostgreSQL is not: it is backed up by pg_dump', async () => {
      await expect((await open()).backup('/nowhere')).rejects.toMatchObject({ code: 'history-backup' });
    });
    return;
  }

  it('is backed up whole while it is written, and restored from that', async () => {
    const at = await url();
    const database = await open({ url: at });
    const { events } = world(3_000, 1_000);
    await database.apply(events.slice(0, 1_000));
    const copy = `${pathOf(at)}.backup`;
    const [backup] = await Promise.all([
      database.backup(copy),
      (async () => {
        for (let n = 1_000; n < events.length; n += 100) await database.apply(events.slice(n, n + 100));
      })(),
    ]);
    expect(backup).toMatchObject({ path: copy, bytes: (await stat(copy)).size });
    await expect(database.backup(copy)).rejects.toMatchObject({ code: 'history-backup' });
    const other = await url();
    expect(await restoreFile(copy, pathOf(other))).toMatchObject({ rows: backup.rows, replaced: null });
    const restored = await open({ url: other });
    await restored.apply(events); // what came after the backup comes again from the stream
    const rows = 'select * from sessions order by tenant, session_id, start_time';
    expect(await query(other, rows)).toEqual(await query(at, rows));
    const sums = 'select * from rollups order by tenant, scope, name, span, bucket';
    expect(await query(other, sums)).toEqual(await query(at, sums));
  });

  it('is replaced by a restore only when the backup is whole; the one before stays beside it', async () => {
    const at = await url();
    const database = await open({ url: at });
    await database.apply(world(500, 1_000).events);
    const copy = `${pathOf(at)}.backup`;
    await database.backup(copy);
    await database.close();
    const broken = `${copy}.broken`;
    await restoreFile(copy, broken);
    await damage(broken);
    await expect(restoreFile(broken, pathOf(at))).rejects.toMatchObject({ code: 'history-backup' });
    await writeFile(`${copy}.other`, 'something else');
    await expect(restoreFile(`${copy}.other`, pathOf(at))).rejects.toMatchObject({ code: 'history-backup' });
    expect(
      (await readdir(dirname(copy))).filter(
        (name) => name.startsWith(basename(pathOf(at))) && /restoring|replaced/.test(name),
      ),
    ).toEqual([]);
    const { replaced } = await restoreFile(copy, pathOf(at));
    expect(existsSync(replaced ?? '')).toBe(true);
  });

  it('that is damaged is set aside as it is, and a new one begun', async () => {
    for (const harm of [damage, (path: string) => writeFile(path, 'this is no database'.repeat(500))]) {
      const at = await url();
      const before = await open({ url: at });
      await before.apply(world(800, 1_000).events);
      await before.close();
      await harm(pathOf(at));
      const bytes = (await stat(pathOf(at))).size;
      const database = await open({ url: at, suspect: true });
      expect(database.setAside).toMatch(/history|\.db\.damaged-\d{4}-/);
      expect((await stat(database.setAside ?? '')).size).toBe(bytes);
      await database.apply(world(10, 1_000).events);
      expect((await database.history('default')).total).toBeGreaterThan(0);
    }
  });

  it('that is well is not', async () => {
    const at = await url();
    await (await open({ url: at })).close();
    expect((await open({ url: at, suspect: true })).setAside).toBeNull();
  });
});

describe('memory', () => {
  it('holds so many rows, the newest, and statistics are theirs', async () => {
    const database = await HistoryDatabase.open({ url: 'memory:', memoryRows: 200 });
    const { events } = world(2_000, 1_000);
    for (let n = 0; n < events.length; n += 150) await database.apply(events.slice(n, n + 150));
    const rows = [...(await allRows(database, 'default')), ...(await allRows(database, 'acme'))];
    expect(rows).toHaveLength(200);
    const { peakSessions: _, ...stats } = await database.stats('default', 0);
    expect(stats).toMatchObject({
      ...plainStats(rows, 'default', 0),
      topUsers: expect.anything(),
      topDestinations: expect.anything(),
    });
    await expect(database.backup('/nowhere')).rejects.toMatchObject({ code: 'history-backup' });
    await database.close();
  });
});

/** Writes over the middle of a file, pages of tables and indices alike. */
async function damage(path: string): Promise<void> {
  const file = await openFile(path, 'r+');
  const { size } = await file.stat();
  for (let at = 4_096; at < size; at += 2 * 4_096) await file.write(Buffer.alloc(3_000, 7), 0, 3_000, at);
  await file.close();
}
