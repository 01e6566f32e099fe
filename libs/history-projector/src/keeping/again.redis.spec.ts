import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { historyKeys, shardKeys } from '#session-core';
import { eventually, startRedis, type RedisServer } from '#testing';

import { DEFAULT_TENANT, Fleet } from '../../../session-core/test/fleet.fixture.js';
import { startProjector } from '../../test/projector.fixture.js';
import { History } from '../history.service.js';

let redis: RedisServer;
let cwd: string;

beforeAll(async () => {
  redis = await startRedis();
  cwd = await mkdtemp(join(tmpdir(), 'berth-again-'));
});

afterAll(async () => {
  await redis?.stop();
  await rm(cwd, { recursive: true, force: true });
});

/** What docs/operations.md tells an operator to do after a restore. */
it('what is still in the streams is read again after XGROUP SETID, and twice is once', async () => {
  const client = redis.client();
  const { history } = loadConfig({ env: {}, cwd });
  const rowsOf = async (expected: number, act: () => Promise<unknown> = async () => {}) => {
    const app = await startProjector(redis.url, { config: { history: { ...history!, batchIntervalMs: 20 } } });
    try {
      await act();
      const { database } = app.get(History);
      await eventually(async () => expect((await database.history('default')).total).toBe(expected), {
        timeoutMs: 20_000,
      });
    } finally {
      await app.close();
    }
  };
  const readAgain = async () => {
    const { events } = shardKeys(DEFAULT_TENANT, 0);
    await client.xgroup('SETID', events, historyKeys.group, '0');
  };
  await rowsOf(3, () => new Fleet(client).admitAll('alice', 3));
  await rm(join(cwd, '.berth'), { recursive: true });
  await readAgain();
  await rowsOf(3);
  await readAgain();
  await rowsOf(4, () => new Fleet(client).admitAll('alice', 1));
});
