import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { historyKeys, shardKeys } from '#session-core';
import { eventually } from '#testing';

import { DEFAULT_TENANT, Fleet } from '../../../session-core/test/fleet.fixture.js';
import { forEachTest, type ProjectorSuite } from '../../test/projector.fixture.js';
import { History } from '../history.service.js';

let suite: ProjectorSuite;

forEachTest((begun) => {
  suite = begun;
});

/** What docs/operations.md tells an operator to do after a restore. */
it('what is still in the streams is read again after XGROUP SETID, and twice is once', async () => {
  const { client, dir, start, running } = suite;
  const { history } = loadConfig({ env: {}, cwd: dir });
  const rowsOf = async (expected: number, act: () => Promise<unknown> = async () => {}) => {
    const app = await start({ config: { history: { ...history!, batchIntervalMs: 20 } } });
    await act();
    const { database } = app.get(History);
    await eventually(async () => expect((await database.history('default')).total).toBe(expected), {
      timeoutMs: 20_000,
    });
    running.pop();
    await app.close();
  };
  const readAgain = async () => {
    const { events } = shardKeys(DEFAULT_TENANT, 0);
    await client.xgroup('SETID', events, historyKeys.group, '0');
  };
  await rowsOf(3, () => new Fleet(client).admitAll('alice', 3));
  await rm(join(dir, '.berth'), { recursive: true });
  await readAgain();
  await rowsOf(3);
  await readAgain();
  await rowsOf(4, () => new Fleet(client).admitAll('alice', 1));
});
