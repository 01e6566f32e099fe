import { execFile } from 'node:child_process';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { groupLag } from '#event-streams';
import { History } from '#history-projector';
import { ReadinessChecks } from '#service-kit';
import { historyKeys, shardKeys } from '#session-core';
import { backUpFile } from '#session-history';
import { askPostgres, eventually, startPostgres, type PostgresServer } from '#testing';

import { forEachTest, type AdminSuite } from '../admin-suite.fixture.js';
import { DEFAULT_TENANT, Fleet, type Admin } from '../limits-admin.fixture.js';
import { SETTINGS } from './api/history.fixture.js';

const { events } = shardKeys(DEFAULT_TENANT, 0);

let client: Redis;
let dir: string;
let path: string;
let log: string[];
let fleet: Fleet;
let admin: Admin;
let start: AdminSuite['start'];

forEachTest(async (suite) => {
  ({ client, dir, fleet, log, start } = suite);
  path = join(dir, 'data', 'history.db');
  admin = await start({ config: { history: { ...SETTINGS, url: `sqlite://${path}` } } });
});

const health = async () => (await admin.app.get(ReadinessChecks).run()).checks['history'];
const answer = async () => (await admin.call('GET', '/history?page_size=1000')).body as unknown as Answer;
const parts = ['', '-wal', '-shm'];
const admit = async (...ids: string[]) => {
  for (const id of ids) await fleet.admit(id, id);
};
const ids = async () => (await answer()).data.map(({ id }) => id).toSorted();
/** As another process sees the file at this path. */
const inFile = async () => {
  const text = `const f = new (require('libsql'))(process.argv[1]); console.log(JSON.stringify(f.prepare('select session_id from sessions order by 1').all().map((row) => row.session_id)))`;
  return JSON.parse((await promisify(execFile)(process.execPath, ['-e', text, path])).stdout) as string[];
};

interface Answer {
  data: { id: string }[];
  gaps?: { from: string; to: string; events: number }[];
}

/** Everything is in history that the outbox has: nothing is pending, and nothing is unread. */
const allWritten = async () => expect((await groupLag(client, events, historyKeys.group))?.oldestAgeMs).toBeNull();

describe('history.db removed or replaced under the process', () => {
  it('removed: is noticed while nothing is written, marked as a gap, and what comes then is in the file at its path', async () => {
    const before = Date.now();
    await admit('a', 'b');
    await eventually(async () => expect(await ids()).toEqual(['a', 'b']));
    for (const part of parts) await rm(path + part, { force: true });
    await eventually(async () => expect(await health()).toMatchObject({ status: 'degraded' }));
    await eventually(async () => expect((await answer()).gaps).toMatchObject([{ events: 2 }]));
    const [gap] = (await answer()).gaps!;
    expect(Date.parse(gap!.from)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(gap!.to)).toBeLessThanOrEqual(Date.now());
    await admit('c');
    await eventually(async () => expect(await inFile()).toEqual(['c']));
    expect(await health()).toMatchObject({
      status: 'degraded',
      warnings: [expect.stringMatching(/removed or replaced/)],
    });
    expect(log.join('')).toMatch(/History lacks what it held before/);
  });

  it('removed twice: what the first file held is still marked as a gap', async () => {
    const removed = async (held: string[]) => {
      await admit(...held);
      await eventually(async () => expect(await ids()).toEqual(held));
      for (const part of parts) await rm(path + part, { force: true });
      await eventually(async () => expect(await ids()).toEqual([]));
    };
    await removed(['a', 'b', 'c']);
    await eventually(async () => expect((await answer()).gaps).toMatchObject([{ events: 3 }]));
    const [first] = (await answer()).gaps!;
    await removed(['d']);
    await eventually(async () => {
      const gaps = (await answer()).gaps!;
      expect(gaps.reduce((sum, { events: lost }) => sum + lost, 0)).toBe(4);
      expect(gaps[0]!.from).toBe(first!.from);
    });
  });

  it('removed: no session is acknowledged into nothing, at whatever moment', async () => {
    await admit('first');
    await eventually(async () => expect(await ids()).toEqual(['first']));
    const names = Array.from({ length: 50 }, (_, i) => `s${String(i).padStart(2, '0')}`);
    const writing = admit(...names);
    await eventually(async () => expect((await answer()).data.length).toBeGreaterThan(5), { intervalMs: 1 });
    for (const part of parts) await rm(path + part, { force: true });
    const [removedAt] = (await client.time()).map(Number);
    await writing;
    await eventually(allWritten);
    await eventually(async () => expect((await answer()).gaps).toHaveLength(1));
    const found = new Set(await inFile());
    // What is missing was in the file that is gone: it began no later than its removal, within the gap that is marked.
    const [gap] = (await answer()).gaps!;
    for (const [entry, flat] of await client.xrange(events, '-', '+')) {
      if (!flat.includes('session.admitted')) continue;
      const { id } = JSON.parse(flat[flat.indexOf('session') + 1]!) as { id: string };
      if (found.has(id)) continue;
      const atMs = Number(entry.split('-')[0]);
      expect(atMs).toBeLessThanOrEqual((removedAt! + 1) * 1_000);
      expect(atMs).toBeGreaterThanOrEqual(Date.parse(gap!.from));
      expect(atMs).toBeLessThanOrEqual(Date.parse(gap!.to));
    }
    expect(found.has('s49')).toBe(true);
  });

  it('replaced by an older backup: goes on in it, and marks what came after it', async () => {
    await admit('a', 'b');
    await eventually(async () => expect(await ids()).toEqual(['a', 'b']));
    await backUpFile(path, join(dir, 'backup.db'));
    await admit('lost');
    await eventually(async () => expect(await ids()).toHaveLength(3));
    await copyFile(join(dir, 'backup.db'), join(dir, 'restoring.db'));
    await rename(join(dir, 'restoring.db'), path); // beside the log of the file that was there
    await eventually(async () => expect((await answer()).gaps).toMatchObject([{ events: 1 }]));
    await admit('c');
    await eventually(async () => expect(await inFile()).toEqual(['a', 'b', 'c']));
    expect(await ids()).toEqual(['a', 'b', 'c']);
    expect(await health()).toMatchObject({ status: 'degraded' });
  });

  it.each([['-wal'], ['-shm'], ['-wal', '-shm']])(
    'without %s %s: loses nothing, marks nothing, and other processes see what is written',
    async (...gone) => {
      await admit('a', 'b');
      await eventually(async () => expect(await ids()).toEqual(['a', 'b']));
      for (const part of gone) await rm(path + part);
      await eventually(() => expect(log.join('')).toMatch(/History is not where it was opened|cannot be written/));
      await admit('c');
      await eventually(async () => expect(await inFile()).toEqual(['a', 'b', 'c']));
      expect(await ids()).toEqual(['a', 'b', 'c']);
      expect(await answer()).not.toHaveProperty('gaps');
      await eventually(async () => expect(await health()).toMatchObject({ status: 'ok' }));
    },
  );

  it('replaced by what is no file: stays degraded and acknowledges nothing until there is a file again', async () => {
    await admit('a');
    await eventually(async () => expect(await ids()).toEqual(['a']));
    for (const part of parts) await rm(path + part, { force: true });
    await mkdir(path);
    await eventually(async () => expect(await health()).toMatchObject({ status: 'degraded' }));
    await admit('b', 'c');
    await eventually(async () =>
      expect((await groupLag(client, events, historyKeys.group))?.oldestAgeMs).toBeGreaterThan(300),
    );
    expect(await admin.call('GET', '/history')).toMatchObject({ status: 503, body: { code: 'history-unavailable' } });
    await rm(path, { recursive: true });
    await eventually(async () => expect(await inFile()).toEqual(['b', 'c']));
    expect((await answer()).gaps).toMatchObject([{ events: 1 }]);
  });
});

describe('a PostgreSQL database dropped or restored under the process', () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres?.stop());

  it('is noticed, takes its shape again, and the gap is marked', async () => {
    await admin.close();
    const ask = (text: string) => askPostgres(postgres.url, text);
    await ask('create database history');
    const url = postgres.url.replace(/postgres$/, 'history');
    admin = await start({ config: { history: { ...SETTINGS, url } } });
    await admit('a', 'b');
    await eventually(async () => expect(await ids()).toEqual(['a', 'b']));
    await eventually(async () => expect(admin.app.get(History)['holdings'].get('default')?.rows).toBe(2), {
      timeoutMs: 30_000,
    });
    await ask('drop database history with (force)');
    await ask('create database history');
    await admit('c');
    await eventually(async () => expect(await ids()).toEqual(['c']), { timeoutMs: 30_000 });
    expect((await answer()).gaps).toMatchObject([{ events: 2 }]);
    expect(await health()).toMatchObject({ status: 'degraded' });
    await eventually(allWritten);
  });
});
