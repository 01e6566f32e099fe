import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

import { HistoryDatabase } from '#session-history';

import { fillHistory } from './history-rows.js';

it('the rows of the history bench fit the tables of this release, and its own questions find them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'berth-rows-'));
  try {
    const url = `sqlite://${join(folder, 'history.db')}`;
    await (await HistoryDatabase.open({ url })).close();
    fillHistory(join(folder, 'history.db'), 2_000);
    const history = await HistoryDatabase.open({ url });
    try {
      const page = await history.history('default', {});
      expect(page).toMatchObject({ total: 2_000, page: 1 });
      expect(page.rows).toHaveLength(page.pageSize);
    } finally {
      await history.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
