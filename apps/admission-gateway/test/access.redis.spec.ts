import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';

import {
  createApp,
  createLogger,
  loadConfig,
  newKey,
  RIGHTS,
  rolesWith,
  type NewKey,
  type Right,
  type Role,
} from '#service-kit';
import { startRedis, type RedisServer } from '#testing';

import { AppModule } from '../src/app.module.js';
import { startGateway, stopGateways, type Gateway } from './gateway.js';

const ROLES = ['node', 'viewer', 'operator', 'admin'] as const satisfies readonly Role[];
const callers = ROLES.flatMap((role) => [false, true].map((bound) => ({ role, bound, ...newKey() })));

/** The routes that need another right than to speak for a node; null: no key at all. */
const OTHERS: Record<string, Right | null> = {
  'GET /v1/sessions/:id': 'session.read',
  'GET /metrics': 'metrics.read',
  'GET /health/live': null,
  'GET /health/ready': null,
};

const CONFIG = `
limits: { max_sessions_per_user: 3, session_limit_action: terminate_oldest }
auth:
  keys:
${callers.map(({ role, bound, hash }) => `    - { id: ${role}${bound}, role: ${role}, hash: '${hash}'${bound ? ", nodes: ['b2bua-*']" : ''} }`).join('\n')}
`;

const registered: string[] = [];

/** Sees each route as Fastify takes it: providers are there before the routes are. */
@Injectable()
class RouteRecorder {
  constructor(host: HttpAdapterHost) {
    host.httpAdapter.getInstance<FastifyInstance>().addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD') registered.push(`${one} ${url}`);
    });
  }
}

@Module({ imports: [AppModule], providers: [RouteRecorder] })
class RecordedModule {}

let redis: RedisServer;
let gateway: Gateway;
let recorded: NestFastifyApplication;

beforeAll(async () => {
  redis = await startRedis();
  const config = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
  const logger = createLogger(config, 'admission-gateway', { write: () => true });
  recorded = await createApp(RecordedModule, { config, logger });
  gateway = await startGateway(redis, { configYaml: CONFIG });
});

afterAll(async () => {
  await stopGateways();
  await recorded?.close();
  await redis?.stop();
});

beforeEach(async () => {
  await redis.client().flushall();
});

const by = (role: Role, bound = false) => sends(callers.find((one) => one.role === role && one.bound === bound)!);
const sends = ({ key }: NewKey) => ({ authorization: `Bearer ${key}` });

async function codeOf(route: string, headers: Record<string, string>): Promise<unknown> {
  const [method, path = ''] = route.split(' ');
  const url = path
    .replaceAll('::', ':')
    .replace(':node', 'b2bua-1')
    .replaceAll(/:(id|commandId)\b/g, 'x');
  // A stream would not end; without its method a route is not the same one, so it is asked for what it refuses.
  const reply = await gateway.app.inject({
    method: method as 'GET',
    url,
    headers,
    payload: method === 'GET' ? '' : {},
  });
  return reply.statusCode < 400 ? 'served' : reply.json<{ code: string }>().code;
}

describe('every route of the gateway', () => {
  it('serves whom the table of rights says', async () => {
    expect(registered.length).toBeGreaterThan(15);
    for (const route of registered) {
      const isStream = route === 'GET /v1/nodes/:node/commands';
      const right = route in OTHERS ? OTHERS[route] : 'node.speak';
      if (right === null || right === undefined) {
        expect([route, await codeOf(route, {})]).toEqual([route, 'served']);
        continue;
      }
      expect([route, await codeOf(route, {})]).toEqual([route, 'unauthorized']);
      for (const caller of callers) {
        const { role, bound } = caller;
        const may = rolesWith(right).includes(role) && !(bound && RIGHTS[right].bound === 'nothing');
        if (isStream && may) continue;
        // A body that names no node is refused to bound keys by what it lacks, not by their role.
        const refused = (await codeOf(route, sends(caller))) === 'forbidden';
        expect([route, role, bound, refused]).toEqual([route, role, bound, !may]);
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
