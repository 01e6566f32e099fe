import { describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { loadConfig, type Role } from '#config';
import { newKey, type NewKey } from '#service-kit';
import { eventually, freePort, startRedis } from '#testing';

import { forEachTest, tenantsWith, type AdminSuite } from '../../admin-suite.fixture.js';
import { type Admin, Fleet } from '../../limits-admin.fixture.js';
import { admitted, ended, get, refused, SETTINGS, startWithHistory } from './history.fixture.js';

const CALLS = [
  '/api/sessions/stats',
  '/api/sessions/history',
  '/api/sessions/history/export?format=jsonl',
  '/api/sessions/violations',
  '/api/sessions/peaks',
  '/api/sessions/peaks?scope=user',
  '/api/sessions/traffic',
  '/api/users/alice/sessions',
];

let admin: Admin;
let client: Redis;
let start: AdminSuite['start'];

forEachTest((suite) => {
  ({ client, start } = suite);
});

const TENANTS = tenantsWith({ acme: { shards: 2 } });

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number> {
  return (await admin.app.inject({ method: 'GET', url, headers })).statusCode;
}

describe('keys', () => {
  it('of viewers and operators read all of it, those of nodes nothing', async () => {
    const made: Record<Role, NewKey> = { node: newKey(), viewer: newKey(), operator: newKey(), admin: newKey() };
    const keys = (Object.keys(made) as Role[]).map((role) => {
      const hash = made[role].hash.slice('sha256:'.length);
      return { id: role, hash, role, tenant: 'default', nodes: null, emergency: false };
    });
    ({ admin } = await startWithHistory(start, 'memory:', { config: { auth: { keys } } }));
    for (const url of CALLS) {
      expect([url, await statusOf(url)]).toEqual([url, 401]);
      for (const [role, status] of [
        ['node', 403],
        ['viewer', 200],
        ['operator', 200],
        ['admin', 200],
      ] as const) {
        const authorization = `Bearer ${made[role].key}`;
        expect([url, role, await statusOf(url, { authorization })]).toEqual([url, role, status]);
      }
    }
  });
});

describe('tenants', () => {
  it('see their own history, and the live figures of all their shards', async () => {
    const started = await startWithHistory(start, 'memory:', { config: { tenants: TENANTS } });
    ({ admin } = started);
    const session = { id: 'a1', user: 'alice', tenant: 'acme', startedAtMs: Date.now() - 60_000 };
    const limits = [{ scope: 'user', key: 'alice', max: 1, active: 1 }];
    await started.database.apply([admitted(session), ended(session, 1), refused({ tenant: 'acme', limits })]);
    const acme = { 'berth-tenant': 'acme' };
    const rows = async (url: string, headers = {}) => (await get(admin, url, headers)).body['total'];
    for (const [url, count] of [
      ['/api/sessions/history', 2],
      ['/api/sessions/violations', 1],
      ['/api/users/alice/sessions', 2],
    ] as const) {
      expect([url, await rows(url), await rows(url, acme)]).toEqual([url, 0, count]);
    }
    const exported = await admin.app.inject({ url: '/api/sessions/history/export?format=jsonl', headers: acme });
    expect(exported.payload.match(/\n/g)).toHaveLength(2);
    const fleet = new Fleet(client, { name: 'acme', shards: 2 });
    for (const user of ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']) await fleet.admit(user);
    const live = { active_sessions: 6, authenticated_sessions: 6, unique_users: 6 };
    expect(await get(admin, '/api/sessions/stats', acme)).toMatchObject({ status: 200, body: live });
    expect(await get(admin, '/api/sessions/stats')).toMatchObject({ status: 200, body: { active_sessions: 0 } });
  });
});

describe('what is away', () => {
  it('is answered: without Redis there are no live figures, and history is still read', async () => {
    const own = await startRedis();
    try {
      const loaded = loadConfig({ env: { BERTH_REDIS_URL: own.url }, cwd: '/' });
      const store = { ...loaded.store, decisionDeadlineMs: 500 };
      const config = { store, redis: { ...loaded.redis, deadlineMs: 500 } };
      ({ admin } = await startWithHistory(start, 'memory:', { config, redisUrl: own.url }));
      await own.stop();
      await eventually(async () => {
        expect(await get(admin, '/api/sessions/stats')).toMatchObject({
          status: 503,
          body: { code: 'store-unavailable', error: expect.any(String) },
        });
      });
      for (const url of CALLS.slice(1)) expect([url, await statusOf(url)]).toEqual([url, 200]);
    } finally {
      await own.stop();
    }
  });

  it('is answered: without the database everything here is a 503, bad input still a 400', async () => {
    const url = `postgres://postgres@127.0.0.1:${await freePort()}/berth`;
    admin = await start({ config: { history: { ...SETTINGS, url } } });
    for (const call of CALLS) {
      expect([call, await get(admin, call)]).toMatchObject([
        call,
        { status: 503, body: { code: 'history-unavailable', error: expect.any(String) } },
      ]);
    }
    expect(await statusOf('/api/sessions/history?page=0')).toBe(400);
  });

  it('is answered: where no history is kept there is nothing here', async () => {
    admin = await start();
    for (const call of [...CALLS, '/api/sessions/stats?window_hours=48']) {
      expect([call, await get(admin, call)]).toMatchObject([call, { status: 404, body: { code: 'not-found' } }]);
    }
  });
});
