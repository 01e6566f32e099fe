import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import type { Role } from '#config';
import { newKey, operationsOfApp, RIGHTS, rolesWith, type DeclaredOperation, type NewKey } from '#service-kit';

import { AppModule } from './app.module.js';
import { answers, type Gateway, onOneGateway } from './gateway.fixture.js';

const ROLES = ['node', 'viewer', 'operator', 'admin'] as const satisfies readonly Role[];
const callers = ROLES.flatMap((role) => [false, true].map((bound) => ({ role, bound, ...newKey() })));

const CONFIG = `
limits: { max_sessions_per_user: 3, session_limit_action: terminate_oldest }
auth:
  keys:
${callers.map(({ role, bound, hash }) => `    - { id: ${role}${bound}, role: ${role}, hash: '${hash}'${bound ? ", nodes: ['b2bua-*']" : ''} }`).join('\n')}
`;

let gateway: Gateway;
let books: Redis;

onOneGateway({ configYaml: CONFIG }, (suite) => {
  ({ books, gateway } = suite);
});

beforeEach(async () => {
  await books.flushall();
});

const by = (role: Role, bound = false) => sends(callers.find((one) => one.role === role && one.bound === bound)!);
const sends = ({ key }: NewKey) => ({ authorization: `Bearer ${key}` });

async function codeOf({ method, path }: DeclaredOperation, headers: Record<string, string>): Promise<unknown> {
  const url = path.replace('{node}', 'b2bua-1').replaceAll(/\{\w+\}/g, 'x');
  const payload = method === 'GET' ? '' : {};
  const reply = await gateway.app.inject({ method: method as 'GET', url, headers, payload });
  return reply.statusCode < 400 ? 'served' : reply.json<{ code: string }>().code;
}

describe('every operation of the gateway', () => {
  it('is a route, and every route is one', () => {
    const operations = operationsOfApp(AppModule).map(({ method, path }) => `${method} ${path}`);
    expect(operations.length).toBeGreaterThan(15);
    expect([...answers.routes].toSorted()).toEqual(operations.toSorted());
  });

  it('serves whom the table of rights says', async () => {
    for (const operation of operationsOfApp(AppModule)) {
      const { handler, right, path } = operation;
      if (right === 'open') {
        expect([handler, await codeOf(operation, {})]).toEqual([handler, 'served']);
        continue;
      }
      expect([handler, await codeOf(operation, {})]).toEqual([handler, 'unauthorized']);
      for (const caller of callers) {
        const { role, bound } = caller;
        const may = rolesWith(right).includes(role) && !(bound && RIGHTS[right].bound === 'nothing');
        // A stream would not end.
        if (path.endsWith('/commands') && may) continue;
        // A body that names no node is refused to bound keys by what it lacks, not by their role.
        const refused = (await codeOf(operation, sends(caller))) === 'forbidden';
        expect([handler, role, bound, refused]).toEqual([handler, role, bound, !may]);
      }
    }
  });
});

describe('What a viewer may see is the same by every road', () => {
  it('GET /v1/sessions/{id} shows viewers and operators what it shows admins', async () => {
    await gateway.post('/v1/sessions', { sessionId: 'seen', user: 'alice', sourceIp: '192.0.2.10' }, by('admin'));
    const shown = await gateway.get('/v1/sessions/seen', by('admin'));
    expect(shown.body).toMatchObject({ user: 'alice', sourceIp: '192.0.2.10' });
    for (const role of ['viewer', 'operator'] as const) {
      expect(await gateway.get('/v1/sessions/seen', by(role))).toMatchObject({ status: 200, body: shown.body });
    }
  });
});

describe("Keys bound to nodes read only their nodes' sessions", () => {
  const admitAt = async (sessionId: string, node?: string) =>
    await gateway.post('/v1/sessions', { sessionId, user: 'alice', node }, by('admin'));

  it('of GET /v1/sessions/{id}, whatever their role, live and ended', async () => {
    await admitAt('own', 'b2bua-1');
    await admitAt('foreign', 'proxy-1');
    await admitAt('loose');
    for (const role of ROLES) {
      expect((await gateway.get('/v1/sessions/own', by(role, true))).status).toBe(200);
      for (const id of ['foreign', 'loose']) {
        expect(await gateway.get(`/v1/sessions/${id}`, by(role, true))).toMatchObject({
          status: 403,
          body: { code: 'forbidden' },
        });
      }
      expect((await gateway.get('/v1/sessions/nobody', by(role, true))).status).toBe(404);
    }
    for (const id of ['own', 'foreign']) await gateway.post(`/v1/sessions/${id}/end`, {}, by('admin'));
    expect((await gateway.get('/v1/sessions/own', by('node', true))).body).toMatchObject({ endReason: 'completed' });
    expect((await gateway.get('/v1/sessions/foreign', by('node', true))).status).toBe(403);
  });

  it("of POST /v1/sessions:check with another's id", async () => {
    await admitAt('own', 'b2bua-1');
    await admitAt('foreign', 'proxy-1');
    const check = async (sessionId: string) =>
      await gateway.post('/v1/sessions:check', { sessionId, user: 'alice', node: 'b2bua-1' }, by('node', true));
    expect(await check('own')).toMatchObject({ status: 200, body: { session: { id: 'own' } } });
    const foreign = await check('foreign');
    expect([foreign.status, JSON.stringify(foreign.body).includes('proxy-1')]).toEqual([403, false]);
  });

  it('of those that made room for an admission', async () => {
    await admitAt('foreign', 'proxy-1');
    await admitAt('own', 'b2bua-2');
    const asked = { user: 'alice', node: 'b2bua-1' };
    await gateway.post('/v1/sessions', { sessionId: 'third', ...asked }, by('node', true));
    const fourth = await gateway.post('/v1/sessions', { sessionId: 'fourth', ...asked }, by('node', true));
    expect(fourth).toMatchObject({ status: 201, body: { terminated: [] } });
    const fifth = await gateway.post('/v1/sessions', { sessionId: 'fifth', ...asked }, by('node', true));
    expect(fifth.body['terminated']).toMatchObject([{ id: 'own', node: 'b2bua-2' }]);
    expect((await gateway.get('/v1/sessions/foreign', by('admin'))).body).toMatchObject({ endReason: 'evicted' });
  });
});
