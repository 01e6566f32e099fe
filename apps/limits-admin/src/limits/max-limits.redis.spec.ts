import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { LimitsStore } from '#session-core';

import { forEachTest } from '../admin-suite.fixture.js';
import { type Admin, DEFAULT_TENANT } from '../limits-admin.fixture.js';
import { MAX_LIMITS } from './max-limits.js';

let admin: Admin;
let client: Redis;

forEachTest(async (suite) => {
  ({ client } = suite);
  admin = await suite.start();
});

/** As if so many users had been given a limit one by one. */
async function fill(count: number): Promise<void> {
  const users = Object.fromEntries(Array.from({ length: count }, (_, i) => [`user-${i}`, 3]));
  await new LimitsStore(client, 60_000).change(DEFAULT_TENANT, (api) => ({
    ...api,
    users: { ...api.users, ...users },
  }));
}

const REFUSED = {
  status: 409,
  body: { code: 'too-many-limits', error: expect.stringContaining(`may have ${MAX_LIMITS}`) },
};

describe('Single limits a tenant have a bound', () => {
  it('by every call that would add one; nothing has changed then', async () => {
    await admin.call('PUT', '/limits', { classes: { gold: 20 } });
    await admin.call('PUT', '/groups/trunk', { default: 100 });
    await fill(MAX_LIMITS - 3);
    expect((await admin.call('PUT', '/limits/last', { limit: 2 })).status).toBe(200);
    const { body: before } = await admin.call('GET', '/limits');
    for (const [method, path, body] of [
      ['PUT', '/limits/more', { limit: 2 }],
      ['PUT', '/limits/-', { username: 'more', limit: 2 }],
      ['PUT', '/users/more/class', { class: 'gold' }],
      ['POST', '/users/more/temporary-limit', { limit: 9, duration: '1h' }],
      ['PUT', '/groups/trunk/west', { limit: 30 }],
      ['PUT', '/groups/trunk/west', { rate: { per_second: 1, burst: 1 } }],
      ['POST', '/groups/trunk/west/temporary-limit', { limit: 9, duration: '1h' }],
      ['PUT', '/groups/carrier', { default: 100 }],
      ['PUT', '/limits', { classes: { silver: 10 } }],
      ['PUT', '/limits', { observe: ['user:more'] }],
    ] as const) {
      expect([method, path, await admin.call(method, path, body)]).toMatchObject([method, path, REFUSED]);
    }
    expect((await admin.call('GET', '/limits')).body).toEqual(before);
  });

  it('and what is there can be changed and taken away, also where there are more from before the bound', async () => {
    await fill(MAX_LIMITS + 50);
    expect(await admin.call('PUT', '/limits/more', { limit: 2 })).toMatchObject(REFUSED);
    expect((await admin.call('PUT', '/limits/user-1', { limit: 4 })).status).toBe(200);
    expect((await admin.call('POST', '/users/user-1/temporary-limit', { limit: 9, duration: '1h' })).status).toBe(200);
    expect((await admin.call('PUT', '/limits', { max_sessions_per_user: 7 })).status).toBe(200);
    expect((await admin.call('DELETE', '/limits/user-2')).status).toBe(200);
  });

  it('of the API alone: a file may say more', async () => {
    const users = Object.fromEntries(Array.from({ length: MAX_LIMITS + 50 }, (_, i) => [`file-${i}`, 3]));
    await new LimitsStore(client, 60_000).publishFile(DEFAULT_TENANT, { users }, 'a file');
    expect((await admin.call('PUT', '/limits/alice', { limit: 2 })).status).toBe(200);
  });
});
