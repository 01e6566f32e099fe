import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { loadConfig } from '#config';
import { historyAddress, HistoryDatabase } from '#session-history';
import { eventually, freePort, startPostgres, startRedis, type RedisServer } from '#testing';

import { startProjector } from '../../test/projector.fixture.js';

let redis: RedisServer;
let cwd: string;
const started: NestFastifyApplication[] = [];

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(async () => {
  await redis?.stop();
});

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'berth-url-'));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((app) => app.close()));
  await rm(cwd, { recursive: true, force: true });
});

const configured = (env: Record<string, string>) => loadConfig({ env, cwd }).history!;

describe('the history file of the configuration', () => {
  it.each(['.berth', 'a b', '100%', '%20', '%zz', '#1', 'what?', 'Überfahrt', "it's; a=b&c", 'sqlite:x'])(
    'is opened where it was configured, in the data directory %j',
    async (dataDir) => {
      const { url } = configured({ BERTH_DATA_DIR: dataDir });
      const path = join(cwd, dataDir, 'history.db');
      expect(historyAddress(url)).toEqual({ kind: 'sqlite', path });
      const database = await HistoryDatabase.open({ url });
      await database.close();
      expect(database.path).toBe(path);
    },
  );
});

describe('the password of the database', () => {
  const silentAbout = async (url: string) => {
    const log: string[] = [];
    const app = await startProjector(redis.url, { config: { history: configured({ BERTH_DATABASE_URL: url }) }, log });
    started.push(app);
    await eventually(() => expect(log.join('')).toContain('The history database cannot be opened'));
    const { payload } = await app.inject('/health/ready');
    expect(log.join('') + payload).not.toContain('hunter2');
  };

  it('is not in the log where the database is away', async () => {
    await silentAbout(`postgres://berth:hunter2@127.0.0.1:${await freePort()}/berth`);
  });

  it('is not in the log where the database refuses it', async () => {
    const server = await startPostgres();
    try {
      await silentAbout(server.url.replace(/\/\/[^@]*@/, '//nobody:hunter2@'));
    } finally {
      await server.stop();
    }
  });
});
