import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import Libsql from 'libsql';

import { DAY_MS } from '#basics';
import type { HistoryConfig } from '#config';
import { HistoryDatabase } from '#session-history';
import { eventually } from '#testing';

import { live, ended, refused } from '../../../session-history/test/history-events.fixture.js';
import { forEachTest, historySettings, type ProjectorSuite } from '../../test/projector.fixture.js';

/** It begins some seconds after a process does. */
const LONG = { timeoutMs: 25_000 };

let suite: ProjectorSuite;

forEachTest((begun) => {
  suite = begun;
});

const settingsOf = (file: string, change: Partial<HistoryConfig> = {}) =>
  historySettings({ url: `sqlite://${join(suite.dir, file)}`, retentionMs: 5 * DAY_MS, ...change });

async function start(history: HistoryConfig, log: string[] = []): Promise<NestFastifyApplication> {
  return await suite.start({ config: { history }, log });
}

/** A file with so many old sessions, a live one as old as they are, and a session and a refusal of now. */
async function filled({ url }: HistoryConfig, old: number): Promise<void> {
  const database = await HistoryDatabase.open({ url });
  const [then, now] = [Date.now() - 6 * DAY_MS, Date.now()];
  for (let at = 0; at < old; at += 1_000) {
    const ids = Array.from({ length: Math.min(1_000, old - at) }, (_, n) => at + n);
    await database.apply(
      ids.flatMap((n) => [
        live(`old-${n}`, { atMs: then + n }),
        ended(`old-${n}`, { startedAtMs: then + n, atMs: then + n + 1 }),
      ]),
    );
  }
  await database.apply([
    live('live', { atMs: then }),
    live('new', { atMs: now }),
    ended('new', { startedAtMs: now, atMs: now + 1 }),
    refused('r', { atMs: now }),
  ]);
  await database.close();
}

function idsIn({ url }: HistoryConfig): string[] {
  const file = new Libsql(url.replace('sqlite://', ''), { readonly: true });
  try {
    const rows = file.prepare('select session_id from sessions order by session_id').all() as { session_id: string }[];
    return rows.map(({ session_id: id }) => id);
  } finally {
    file.close();
  }
}

const LEFT = ['live', 'new', 'of-r'];
const metrics = async (app: NestFastifyApplication) => (await app.inject('/metrics')).payload;

describe('retention', () => {
  it('removes what ended and is too old, and says how much', async () => {
    const history = settingsOf('history.db');
    await filled(history, 1_200);
    const log: string[] = [];
    const app = await start(history, log);
    expect(await metrics(app)).not.toMatch(/^berth_history_last_cleanup/m);
    await eventually(() => expect(idsIn(history)).toEqual(LEFT), LONG);
    await eventually(() => expect(log.join('')).toMatch(/"rows":1200,.*"message":"Old history removed"/), LONG);
    expect(await metrics(app)).toMatch(
      /^berth_history_last_cleanup_timestamp_seconds 1\d{9}(\.\d+)?$[^]*^berth_history_rows_removed_total 1200$|^berth_history_rows_removed_total 1200$[^]*^berth_history_last_cleanup_timestamp_seconds 1\d{9}(\.\d+)?$/m,
    );
  });

  it('is done again and again', async () => {
    const history = settingsOf('history.db', { cleanupIntervalMs: 200, retentionMs: 5_000 });
    await filled(history, 10);
    const log: string[] = [];
    await start(history, log);
    await eventually(() => expect(idsIn(history)).toEqual(['live']), LONG); // those of now became old meanwhile
    const runs = () => log.filter((line) => line.includes('Old history removed')).length;
    await eventually(() => expect(runs()).toBeGreaterThan(2), LONG);
  });

  it('is left alone where another process writes', async () => {
    const [writing, idle] = [settingsOf('one.db'), settingsOf('two.db')];
    await Promise.all([filled(writing, 10), filled(idle, 10)]);
    const log: string[] = [];
    await start(writing, log);
    const other = await start(idle);
    await eventually(() => expect(log.join('')).toContain('Old history removed'), LONG);
    expect(idsIn(writing)).toEqual(LEFT);
    expect(idsIn(idle)).toHaveLength(10 + LEFT.length);
    expect(await metrics(other)).toMatch(/^berth_history_rows_removed_total 0$/m);
  });

  it('complains once of a database that cannot serve, and goes on when it can', async () => {
    const history = settingsOf('history.db', { cleanupIntervalMs: 100 });
    await filled(history, 10);
    const log: string[] = [];
    const app = await start(history, log);
    const other = new Libsql(history.url.replace('sqlite://', ''));
    const complaints = () => log.filter((line) => line.includes('Old history not removed'));
    try {
      other.exec('begin immediate');
      await eventually(() => expect(complaints()).toHaveLength(1), LONG);
      expect(complaints()[0]).toMatch(/history database is unavailable \(busy\)/);
      expect((await app.inject('/health/live')).statusCode).toBe(200);
    } finally {
      other.exec('rollback');
      other.close();
    }
    await eventually(() => expect(idsIn(history)).toEqual(LEFT), LONG);
    expect(complaints()).toHaveLength(1);
  });

  it('stops with the process, after the batch at hand', async () => {
    const history = settingsOf('history.db');
    await filled(history, 15_000);
    const log: string[] = [];
    const app = await start(history, log);
    await eventually(() => idsIn(history).length < 15_000, { ...LONG, intervalMs: 5 });
    suite.running.pop();
    await app.close();
    expect(idsIn(history).length).toBeGreaterThan(LEFT.length);
    expect(log.join('')).not.toContain('Old history');
  });
});
