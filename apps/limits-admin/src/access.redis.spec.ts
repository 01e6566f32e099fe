import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { operationsOfApp, RIGHTS, rolesWith, type DeclaredOperation, type Right } from '#service-kit';
import { eventually } from '#testing';

import { forWholeSuite, tenantsWith } from './admin-suite.fixture.js';
import { AppModule } from './app.module.js';
import { get, startWithHistory } from './history/api/history.fixture.js';
import { keysOfEveryKind } from './keys.fixture.js';
import { answers, type Admin, Fleet } from './limits-admin.fixture.js';

const kinds = keysOfEveryKind();
const others = keysOfEveryKind('acme');
const viewer = kinds.by('viewer');

let admin: Admin;
let client: Redis;
let fleet: Fleet;

forWholeSuite(async (suite) => {
  ({ client, fleet } = suite);
  const config = {
    auth: { keys: [...kinds.auth.keys, ...others.auth.keys] },
    tenants: tenantsWith({ acme: {} }),
  };
  ({ admin } = await startWithHistory(suite.start, 'memory:', { config }));
});

const OPERATIONS = operationsOfApp(AppModule);
const named = ({ method, path }: DeclaredOperation) => `${method} ${path}`;

/** Who names nothing in particular must be stopped by the right alone: the names are of what the bound keys may see. */
const inPath = (path: string, tenant: string) =>
  path
    .replace('{node}', 'b2bua-1')
    .replace('/tenants/{name}', `/tenants/${tenant}`)
    .replaceAll(/\{\w+\}/g, 'x');

async function codeOf({ method, path }: DeclaredOperation, headers = {}, tenant = 'default'): Promise<unknown> {
  const reply = await admin.app.inject({ method: method as 'GET', url: inPath(path, tenant), headers });
  return reply.statusCode < 400 ? 'served' : reply.json<{ code: string }>().code;
}

function mayCall(right: Right, { role, bound }: (typeof kinds.callers)[number]): boolean {
  return rolesWith(right).includes(role) && !(bound && RIGHTS[right].bound === 'nothing');
}

it('every operation of limits-admin is a route, and every route is one', () => {
  expect(OPERATIONS.length).toBeGreaterThan(30);
  expect([...answers.routes].toSorted()).toEqual(OPERATIONS.map(named).toSorted());
});

describe('every operation of limits-admin', () => {
  it.each(OPERATIONS.map((one) => [named(one), one] as const))(
    '%s serves whom the table of rights says, in each tenant',
    async (_, operation) => {
      const { right } = operation;
      if (right === 'open') return expect(await codeOf(operation)).toBe('served');
      expect(await codeOf(operation)).toBe('unauthorized');
      for (const [tenant, { callers }] of Object.entries({ default: kinds, acme: others })) {
        for (const caller of callers) {
          const { role, bound, headers } = caller;
          const refused = (await codeOf(operation, headers, tenant)) === 'forbidden';
          expect([tenant, role, bound, !refused]).toEqual([tenant, role, bound, mayCall(right, caller)]);
        }
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
    await client.flushall();
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
    for (const operation of OPERATIONS) {
      if (operation.method === 'GET' || operation.path.endsWith(':simulate')) continue;
      expect([named(operation), await codeOf(operation, viewer)]).toEqual([named(operation), 'forbidden']);
    }
  });
});
