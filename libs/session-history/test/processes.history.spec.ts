import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { eventually, startProcess, type ManagedProcess } from '#testing';

import { describeDatabases } from './databases.fixture.js';
import { allRows, closed, unnumbered } from './rows.fixture.js';
import { World, type Happening } from './world.fixture.js';

const WRITER = fileURLToPath(new URL('writer.fixture.mjs', import.meta.url));

describeDatabases('several processes', ({ open, url, query }) => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'berth-history-'));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });
  const writer = (...args: string[]): Promise<ManagedProcess> =>
    startProcess(process.execPath, [WRITER, ...args], { ready: { line: /open/ } });

  it('may open a new database at once: one migrates it, the others wait', async () => {
    const at = await url();
    const started = await Promise.all([writer(at), writer(at), writer(at)]);
    expect(await Promise.all(started.map(({ exited }) => exited))).toEqual(
      started.map(() => ({ code: 0, signal: null })),
    );
    const migrations = [
      '0001-sessions-and-rollups',
      '0002-ended-by',
      '0003-erasures',
      '0004-questions',
      '0005-revisions',
    ].map((name) => ({ name }));
    expect(await query(at, 'select name from kysely_migration order by name')).toEqual(migrations);
  });

  it('lose nothing and double nothing when the writer is killed in the middle, again and again, hours being closed all the time', async () => {
    const happenings = Array.from({ length: 3_000 }, (_, at): Happening => {
      const what = (['admit', 'admit', 'end', 'traffic', 'refuse', 'transfer'] as const)[(at * 7) % 6] ?? 'admit';
      return { what, who: (at * 5) % 8, which: at * 31, afterMs: (at % 900) * 60 };
    });
    const { events } = new World(Date.now() - 2 * 86_400_000).run(happenings);
    const file = join(dir, 'events.json');
    await writeFile(file, JSON.stringify(events));
    const [killed, whole] = [await url(), await url()];
    for (let round = 0; round < 4; round += 1) {
      const process = await writer(killed, file, '40');
      await eventually(() => process.output().includes(`applied ${round * 400}`) || !process.running);
      await process.kill();
    }
    const last = await writer(killed, file, '100');
    expect(await last.exited).toEqual({ code: 0, signal: null });
    const clean = await open({ url: whole });
    await clean.apply(events);
    const all = async (from: string) => ({
      rows: unnumbered(await query(from, 'select * from sessions order by tenant, session_id, start_time')),
      sums: closed(await query<object>(from, 'select * from rollups')),
    });
    expect(await all(killed)).toEqual(await all(whole));
    const rows = await allRows(clean, 'default');
    expect(new Set(rows.map((row) => `${row.session_id} ${row.start_time}`)).size).toBe(rows.length);
  });
});
