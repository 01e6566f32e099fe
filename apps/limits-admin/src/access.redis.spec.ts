import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { RIGHTS, rolesWith, type Right } from '#service-kit';
import { eventually, startRedis, type RedisServer } from '#testing';

import { ROUTES } from './docs/routes.js';
import { get, startWithHistory } from './history/api/history.fixture.js';
import { keysOfEveryKind } from './keys.fixture.js';
import { type Admin, Fleet } from './limits-admin.fixture.js';

const kinds = keysOfEveryKind();
const viewer = kinds.by('viewer');

let redis: RedisServer;
let admin: Admin;
let fleet: Fleet;

beforeAll(async () => {
  redis = await startRedis();
  ({ admin } = await startWithHistory(redis.url, 'memory:', { config: { auth: kinds.auth } }));
  fleet = new Fleet(redis.client());
});

afterAll(async () => {
  await admin?.close();
  await redis?.stop();
});

/** Who names nothing in particular must be stopped by the right alone: the names are of what the bound keys may see. */
const inPath = (path: string) =>
  path
    .replace('{node}', 'b2bua-1')
    .replace('/tenants/{name}', '/tenants/default')
    .replaceAll(/\{\w+\}/g, 'x');

async function codeOf(method: string, path: string, headers: Record<string, string> = {}): Promise<unknown> {
  const reply = await admin.app.inject({ method: method.toUpperCase() as 'GET', url: inPath(path), headers });
  return reply.statusCode < 400 ? 'served' : reply.json<{ code: string }>().code;
}

function mayCall(right: Right, { role, bound }: (typeof kinds.callers)[number]): boolean {
  return rolesWith(right).includes(role) && !(bound && RIGHTS[right].bound === 'nothing');
}

describe('every route of limits-admin', () => {
  it.each(ROUTES.map((route) => [`${route.method.toUpperCase()} ${route.path}`, route] as const))(
    '%s serves whom the table of rights says',
    async (_, { method, path, for: right }) => {
      if (right === 'open') return expect(await codeOf(method, path)).toBe('served');
      expect(await codeOf(method, path)).toBe('unauthorized');
      for (const caller of kinds.callers) {
        const refused = (await codeOf(method, path, caller.headers)) === 'forbidden';
        expect([caller.role, caller.bound, !refused]).toEqual([caller.role, caller.bound, mayCall(right, caller)]);
      }
    },
  );
});

describe('What a viewer may see is the same by every road', () => {
  const SEEN = [
    '/api/sessions/active',
    '/api/sessions/active?username=alice',
    '/api/sessions/users',
    '/api/sessions/users/alice',
    '/api/sessions/history',
    '/api/sessions/history/export?format=csv',
    '/api/sessions/history/export?format=jsonl',
    '/api/sessions/stats',
    '/api/sessions/violations',
    '/api/sessions/peaks?scope=user',
    '/api/sessions/traffic?user=alice',
    '/api/users/alice/sessions',
    '/api/users/alice/sessions?status=active',
  ];
  const READERS = ['viewer', 'operator', 'admin'] as const;

  beforeEach(async () => {
    await redis.client().flushall();
    await eventually(async () => (await fleet.admit('alice', 'live')).kind === 'admitted');
    await fleet.admitAll('alice', 5);
    await eventually(async () => {
      const { body } = await get(admin, '/api/sessions/violations', viewer);
      expect(body['total']).toBeGreaterThan(0);
      expect(
        (await get(admin, '/api/users/alice/sessions?status=active', viewer)).body['total'],
      ).toBeGreaterThanOrEqual(5);
    });
  });

  it.each(SEEN)('%s names alice to viewers as to admins', async (url) => {
    for (const role of READERS) {
      const reply = await admin.app.inject({ url, headers: kinds.by(role) });
      expect([role, reply.statusCode, reply.payload.includes('alice')]).toEqual([role, 200, true]);
    }
  });

  it('a simulation names the same sessions and users', async () => {
    const body = { max_sessions_per_user: 1 };
    for (const role of READERS) {
      const { status, body: answer } = await admin.call('POST', '/limits:simulate', body, kinds.by(role));
      expect([role, status]).toEqual([role, 200]);
      expect(answer).toMatchObject({
        refused: { sessions: expect.arrayContaining([expect.objectContaining({ user: 'alice' })]) },
      });
    }
  });

  it('and a viewer changes nothing by any of them', async () => {
    for (const { method, path, for: right } of ROUTES) {
      if (method === 'get' || path.endsWith(':simulate')) continue;
      expect([method, path, right, await codeOf(method, path, viewer)]).toEqual([method, path, right, 'forbidden']);
    }
  });
});
