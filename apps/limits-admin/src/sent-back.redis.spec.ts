import { expect, it } from '@jest/globals';

import { forEachTest } from './admin-suite.fixture.js';
import { type Admin, DEFAULT_TENANT } from './limits-admin.fixture.js';

let admin: Admin;

forEachTest(async ({ fleet, start }) => {
  await fleet.store.limits.publishFile(DEFAULT_TENANT, { groups: { trunk: { default: 3 } } }, 'gateway');
  admin = await start();
});

/** As others see it, without who changed it last. */
const shown = async (path: string) => {
  const { origin: _, origins: __, version: ___, source: ____, ...rest } = (await admin.call('GET', path)).body;
  return rest;
};

it.each([
  ['/limits', {}],
  ['/limits', { max_total_sessions: 9, user_rate: { per_second: 1.5, burst: 3 }, classes: { gold: 20 } }],
  [
    '/limits',
    { max_total_sessions: 9, reserves: { total: { group: 'priority:emergency', places: 1 } }, observe: ['ip'] },
  ],
  ['/groups/trunk', {}],
  ['/groups/trunk', { default: 7, action: 'terminate_oldest', rate: { per_second: 2, burst: 2 } }],
  ['/groups/trunk/west', {}],
  ['/groups/trunk/west', { limit: 5, rate: { per_second: 2, burst: 2 }, observe: true }],
])('what %s answers may be sent back, its nulls too, and changes nothing: %j', async (path, change) => {
  expect((await admin.call('PUT', path, change)).status).toBe(200);
  const before = await shown(path);
  const { version: _, ...answer } = (await admin.call('GET', path)).body;
  expect(await admin.call('PUT', path, answer)).toMatchObject({ status: 200, body: { success: true } });
  expect(await shown(path)).toEqual(before);
});

it('numbers in queries are decimal digits and nothing else', async () => {
  const asked = ['/users?limit=', '/users?page=', '/active?limit=', '/groups?limit=', '/groups?page=', '/nodes?page='];
  for (const path of asked) {
    for (const number of [
      '0x10',
      '1e1',
      '%2B5',
      '%205',
      '5%20',
      '5.0',
      'Infinity',
      '٣',
      '-5',
      '99999999999999999999',
    ]) {
      const { status, body } = await admin.call('GET', `${path}${number}`);
      const name = /\?(\w+)=/.exec(path)?.[1];
      expect([path, number, status, body['errors']]).toEqual([
        path,
        number,
        400,
        [{ path: name, message: expect.stringMatching(/^must be a whole number from 1 to/) }],
      ]);
    }
    expect((await admin.call('GET', `${path}5`)).status).toBe(200);
  }
});
