import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import type { HistoryConfig } from '#config';
import { ReadinessChecks } from '#service-kit';
import { OUTBOX_BOUNDS, shardKeys } from '#session-core';
import { eventually, freePort } from '#testing';

import { forEachTest, type AdminSuite } from '../admin-suite.fixture.js';
import { DEFAULT_TENANT, Fleet, type Admin } from '../limits-admin.fixture.js';
import { SETTINGS } from './api/history.fixture.js';

const KEYS = shardKeys(DEFAULT_TENANT, 0);

let client: Redis;
let dir: string;
let admin: Admin | undefined;

const start = async (history: HistoryConfig | null) => {
  admin = await startAdmin({ config: { history } });
  return admin;
};
const health = async () => (await admin!.app.get(ReadinessChecks).run()).checks['history'];
const metric = async (name: string) => {
  const { payload } = await admin!.app.inject({ method: 'GET', url: '/metrics' });
  const line = payload.split('\n').find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  return line === undefined ? null : Number(line.split(' ').at(-1));
};

let startAdmin: AdminSuite['start'];

afterEach(() => {
  admin = undefined;
});

forEachTest((suite) => {
  ({ client, dir, start: startAdmin } = suite);
});

describe('the health of history', () => {
  it('says who writes it and how far it is behind', async () => {
    await start({ ...SETTINGS, url: 'memory:' });
    await eventually(async () => expect(await health()).toEqual({ status: 'ok', writer: 'here', behind_seconds: 0 }));
    expect(await metric('berth_history_behind_seconds')).toBe(0);
    expect(await metric('berth_outbox_fill_ratio')).toBe(0);
  });

  it('is not there where none is kept', async () => {
    await start(null);
    expect(await health()).toBeUndefined();
    expect(await metric('berth_history_behind_seconds')).toBeNull();
  });

  it('tells that the database is away, without its address, while the process serves everything else', async () => {
    const url = `postgres://berth:secret@127.0.0.1:${await freePort()}/history`;
    await start({ ...SETTINGS, url });
    await new Fleet(client).admit('alice');
    await eventually(async () => expect(await health()).toMatchObject({ status: 'degraded' }));
    await eventually(async () => expect(await metric('berth_stream_lag{group="history"}')).toBeGreaterThan(0));
    expect(JSON.stringify(await health())).not.toMatch(/secret|127\.0\.0\.1/);
    expect((await admin!.call('GET', '/users')).status).toBe(200);
    expect(await admin!.call('GET', '/history')).toMatchObject({ status: 503, body: { code: 'history-unavailable' } });
  });

  it('warns of an outbox that fills up', async () => {
    await writeFile(join(dir, 'file'), '');
    await start({ ...SETTINGS, url: `sqlite://${join(dir, 'file', 'history.db')}` });
    // The bound of refusals is the smaller one; entries of one field are quick to write, in a script more so.
    const fill = `for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'i', i) end`;
    const count = 0.8 * OUTBOX_BOUNDS.read.rejections.maxLength;
    for (let i = 0; i < count; i += count / 100) await client.eval(fill, 1, KEYS.rejections, count / 100);
    await eventually(async () =>
      expect(await health()).toMatchObject({
        status: 'degraded',
        warnings: expect.arrayContaining([expect.stringMatching(/outbox is 80 % full/)]),
      }),
    );
    expect(await metric('berth_outbox_fill_ratio')).toBeCloseTo(0.8);
  });
});
