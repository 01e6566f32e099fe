import { mkdtemp, open as openFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { endedAfterEach } from '#testing';
import Libsql from 'libsql';

import { DAY_MS } from '#basics';

import { backUpFile, HistoryDatabase, restoreFile } from './index.js';
import { describeDatabases } from '../test/databases.fixture.js';
import { plainStats } from '../test/plain.fixture.js';
import { allRows, closed } from '../test/rows.fixture.js';
import { World, type Happening } from '../test/world.fixture.js';

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

  it('stops between two batches when it is stopped', async () => {
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

describe('a SQLite file', () => {
  let dir: string;
  const opened = endedAfterEach<HistoryDatabase>((database) => database.close());

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'berth-file-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  const at = (name: string) => join(dir, name);
  const open = async (path: string, suspect = false) => {
    const database = await HistoryDatabase.open({ url: `sqlite://${path}`, suspect });
    opened.push(database);
    return database;
  };
  const query = (path: string, text: string): object[] => {
    const file = new Libsql(path);
    try {
      return file.prepare(text).all() as object[];
    } finally {
      file.close();
    }
  };

  it('is backed up whole while it is written, and restored from that', async () => {
    const [path, copy, other] = [at('history.db'), at('backup.db'), at('other.db')];
    const database = await open(path);
    const { events } = world(3_000, 1_000);
    await database.apply(events.slice(0, 1_000));
    const [backup] = await Promise.all([
      backUpFile(path, copy),
      (async () => {
        for (let n = 1_000; n < events.length; n += 100) await database.apply(events.slice(n, n + 100));
      })(),
    ]);
    expect(await restoreFile(copy, other)).toMatchObject({ rows: backup.rows, replaced: null });
    const restored = await open(other);
    await restored.apply(events); // what came after the backup comes again from the stream
    const rows = 'select * from sessions order by tenant, session_id, start_time';
    expect(query(other, rows)).toEqual(query(path, rows));
    const sums = 'select * from rollups';
    expect(closed(query(other, sums))).toEqual(closed(query(path, sums)));
  });

  it('that is damaged is set aside as it is, and a new one begun', async () => {
    const overwrite = (path: string) => writeFile(path, 'this is no database'.repeat(500));
    for (const [name, harm] of Object.entries({ damage, overwrite })) {
      const path = at(`${name}.db`);
      const before = await open(path);
      await before.apply(world(800, 1_000).events);
      await before.close();
      await harm(path);
      const bytes = (await stat(path)).size;
      const database = await open(path, true);
      expect(database.setAside).toMatch(/\.db\.damaged-\d{4}-/);
      expect((await stat(database.setAside ?? '')).size).toBe(bytes);
      await database.apply(world(10, 1_000).events);
      expect((await database.history('default')).total).toBeGreaterThan(0);
    }
  });

  it('has a log that begins anew, however much is written', async () => {
    const path = at('history.db');
    const database = await open(path);
    const ended = (n: number) => ({
      kind: 'ended' as const,
      tenant: 'default',
      atMs: START + n,
      position: `${START + n}-0`,
      levels: [],
      sessionId: `s${(n * 7_919) % 100_003}`,
      attempt: 1,
      startedAtMs: START + n,
      totals: {},
      user: `u${n}`,
      node: '',
      endedAtMs: START + n,
      reason: 'completed' as const,
      note: '',
    });
    let largest = 0;
    for (let n = 0; n < 24_000; n += 100) {
      await database.apply(Array.from({ length: 100 }, (_, more) => ended(n + more)));
      largest = Math.max(largest, (await stat(`${path}-wal`)).size);
    }
    expect(largest).toBeLessThan(80 * 2 ** 20); // of some 100 that are written
  });

  it('that is well is not', async () => {
    await (await open(at('history.db'))).close();
    expect((await open(at('history.db'), true)).setAside).toBeNull();
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
