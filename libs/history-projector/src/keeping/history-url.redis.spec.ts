import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { historyAddress, HistoryDatabase } from '#session-history';
import { eventually, freePort, startPostgres } from '#testing';

import { forEachTest, type ProjectorSuite } from '../../test/projector.fixture.js';

let suite: ProjectorSuite;

forEachTest((begun) => {
  suite = begun;
});

const configured = (env: Record<string, string>) => loadConfig({ env, cwd: suite.dir }).history!;

describe('the history file of the configuration', () => {
  it.each(['.berth', 'a b', '100%', '%20', '%zz', '#1', 'what?', 'Überfahrt', "it's; a=b&c", 'sqlite:x'])(
    'is opened where it was configured, in the data directory %j',
    async (dataDir) => {
      const { url } = configured({ BERTH_DATA_DIR: dataDir });
      const path = join(suite.dir, dataDir, 'history.db');
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
    const app = await suite.start({ config: { history: configured({ BERTH_DATABASE_URL: url }) }, log });
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
