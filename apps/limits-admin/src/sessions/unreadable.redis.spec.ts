import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { shardKeys } from '#session-core';

import { forEachTest } from '../admin-suite.fixture.js';
import { DEFAULT_TENANT, Fleet, type Admin } from '../limits-admin.fixture.js';

const KEYS = shardKeys(DEFAULT_TENANT, 0);

let admin: Admin;
let fleet: Fleet;
let client: Redis;

forEachTest(async (suite) => {
  ({ client, fleet } = suite);
  admin = await suite.start();
});

/** What a foreign hand, or a later release, may have written in place of a record. */
const FOREIGN: [what: string, write: (key: string) => Promise<unknown>][] = [
  ['text', async (key) => await client.set(key, 'garbage')],
  ['bytes', async (key) => await client.set(key, Buffer.from([1, 2, 3, 4, 5, 6, 0x9d, 0xc1]))],
  [
    'a hash',
    async (key) => {
      await client.del(key);
      return await client.hset(key, 'a', 'b');
    },
  ],
  [
    'a record of a later release',
    async (key) => {
      const record = await client.getBuffer(key);
      if (record) record[7] = 2;
      return await client.set(key, record ?? '');
    },
  ],
  [
    'a record whose facts are cut off',
    async (key) => {
      const record = await client.getBuffer(key);
      return await client.set(key, record?.subarray(0, -8) ?? '');
    },
  ],
];

describe.each(FOREIGN)('a session with %s in place of its record', (_, write) => {
  beforeEach(async () => {
    await fleet.admit('alice', 'broken');
    await fleet.admit('alice', 'well');
    await write(KEYS.session('broken'));
  });

  it('is listed as unreadable, in the count of its user, and makes no page fail', async () => {
    const { status, body } = await admin.call('GET', '/active');
    expect(status).toBe(200);
    expect(body['sessions']).toEqual([
      expect.objectContaining({ id: 'well', state: 'active' }),
      expect.objectContaining({ id: 'broken', state: 'unreadable', startedAt: null, node: null }),
    ]);
    expect(await admin.call('GET', '/users/alice')).toMatchObject({
      status: 200,
      body: { activeSessions: 2, sessions: [{ id: 'well' }, { id: 'broken', user: 'alice', state: 'unreadable' }] },
    });
    for (const path of ['/users', '/groups', '/active?username=alice', '/active?node=b2bua-1', '/nodes']) {
      expect([path, (await admin.call('GET', path)).status]).toEqual([path, 200]);
    }
    const simulated = await admin.call('POST', '/limits:simulate', { max_sessions_per_user: 1 });
    expect(simulated.status).toBe(200);
    expect((await admin.app.inject('/metrics')).statusCode).toBe(200);
  });

  it('can be killed: its place is free, and the lists no longer have it', async () => {
    expect(await admin.call('DELETE', '/broken')).toMatchObject({ status: 200, body: { success: true } });
    const { body } = await admin.call('GET', '/active');
    expect(body['sessions']).toEqual([expect.objectContaining({ id: 'well' })]);
    expect(await client.zrange(KEYS.userSessions('alice'), '0', '-1')).toEqual(['well']);
    expect(await client.zcard(KEYS.deadlines)).toBe(1);
  });

  it('goes with the others of its user', async () => {
    expect(await admin.call('DELETE', '/users/alice/sessions')).toMatchObject({ status: 200, body: { terminated: 2 } });
    expect(await client.zcard(KEYS.deadlines)).toBe(0);
  });
});
