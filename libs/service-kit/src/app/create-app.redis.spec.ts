import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Delete, Get, HttpCode, Inject, Module, Param, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';

import { loadConfig, type BerthConfig } from '#config';
import { asStoreError } from '#session-core';
import { startRedis, type RedisServer } from '#testing';

import { newKey } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import { Caller, Needs } from '../auth/rights.guard.js';
import { createLogger } from '../logging/logger.js';
import { parseBody, unknownFields } from '../problems/parse-body.js';
import { CONFIG } from '../tokens.js';
import { BodyLimit, createApp } from './create-app.js';
import { stopGracefully } from './graceful-stop.js';

const bodySchema = z.object({ sessionId: z.string().optional(), ttlSeconds: z.int().min(1).optional() });

@Controller('v1')
@Needs('node.speak')
class EchoController {
  constructor(@Inject(CONFIG) private readonly config: BerthConfig) {}

  @Post('sessions')
  @HttpCode(201)
  create(@Body() body: unknown): unknown {
    return { body: parseBody(bodySchema, body), warnings: unknownFields(bodySchema, body) };
  }

  @Post('sessions::check')
  @HttpCode(200)
  check(@Caller() caller: Principal): unknown {
    return { checked: true, caller, host: this.config.host };
  }

  @Get('sessions/:id')
  get(@Param('id') id: string): unknown {
    return { id };
  }

  @Post('sessions/:id/end')
  @HttpCode(204)
  end(): void {}

  @Delete('sessions/:id')
  fail(): never {
    throw new TypeError('password is hunter2');
  }

  @Post('outage')
  outage(): never {
    const refused = new Error('connect ECONNREFUSED 10.0.0.7:6379');
    throw asStoreError(Object.assign(refused, { code: 'ECONNREFUSED', address: '10.0.0.7' }));
  }

  @Post('events')
  @BodyLimit(1024 * 1024)
  @HttpCode(200)
  events(@Body() body: unknown): unknown {
    return { bytes: JSON.stringify(body).length };
  }
}

@Controller('api/sessions')
class AdminController {
  @Get('limits')
  limits(): unknown {
    return { enabled: true };
  }

  @Get('broken')
  broken(): never {
    throw new Error('inside');
  }
}

@Module({ controllers: [EchoController, AdminController] })
class EchoModule {}

const logged: string[] = [];

async function start(redis: RedisServer, extra: Partial<BerthConfig> = {}): Promise<NestFastifyApplication> {
  const config = { ...loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' }), ...extra };
  const logger = createLogger(config, 'echo', { write: (line) => void logged.push(line) });
  return createApp(EchoModule, {
    config,
    logger,
    membersOf: (code) => (code === 'store-unavailable' ? { sip: config.sip.unavailable } : {}),
  });
}

let redis: RedisServer;
let app: NestFastifyApplication;

beforeAll(async () => {
  redis = await startRedis();
  app = await start(redis);
});

afterAll(async () => {
  await app?.close();
  await redis?.stop();
});

const json = { 'content-type': 'application/json' };
const problemType = 'application/problem+json; charset=utf-8';

describe('bodies', () => {
  it.each([
    ['no type', {}],
    ['JSON', json],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['anything', { 'content-type': 'nonsense' }],
  ])('takes an empty body with %s as {}', async (_name, headers) => {
    const reply = await app.inject({ method: 'POST', url: '/v1/sessions', headers, payload: '' });
    expect([reply.statusCode, reply.json()]).toEqual([201, { body: {}, warnings: [] }]);
  });

  it('ignores fields it does not know, names them, and drops keys that reach for prototypes', async () => {
    const payload = '{"sessionId":"a","colour":"red","__proto__":{"ttlSeconds":0}}';
    const reply = await app.inject({ method: 'POST', url: '/v1/sessions', headers: json, payload });
    expect(reply.json()).toEqual({ body: { sessionId: 'a' }, warnings: ['colour'] });
  });

  it.each([
    ['malformed JSON', '{"sessionId":', json, 400, 'invalid-request'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), json, 400, 'invalid-request'],
    ['a list', '[]', json, 400, 'invalid-request'],
    ['null', 'null', json, 400, 'invalid-request'],
    ['a wrong type', '{"sessionId":5,"ttlSeconds":0}', json, 400, 'invalid-request'],
    ['another content type', 'a=b', { 'content-type': 'text/plain' }, 415, 'unsupported-media-type'],
    ['a malformed content type', '{}', { 'content-type': 'json' }, 415, 'unsupported-media-type'],
    ['over 64 KiB', JSON.stringify({ sessionId: 'x'.repeat(65_600) }), json, 413, 'payload-too-large'],
  ])('refuses %s', async (_name, payload, headers, status, code) => {
    const reply = await app.inject({ method: 'POST', url: '/v1/sessions', headers, payload });
    expect(reply.headers['content-type']).toBe(problemType);
    expect([reply.statusCode, reply.json()]).toEqual([
      status,
      expect.objectContaining({ type: `urn:berth:problem:${code}`, status, code, detail: expect.any(String) }),
    ]);
  });

  it('names every failing field', async () => {
    const reply = await app.inject({ method: 'POST', url: '/v1/sessions', payload: { sessionId: 5, ttlSeconds: 0 } });
    const { errors } = reply.json<{ errors: { path: string }[] }>();
    expect(errors.map(({ path }) => path)).toEqual(['sessionId', 'ttlSeconds']);
  });

  it('lets a route take larger bodies', async () => {
    const payload = { pad: 'x'.repeat(200_000) };
    expect((await app.inject({ method: 'POST', url: '/v1/events', payload })).statusCode).toBe(200);
    const tooLarge = { pad: 'x'.repeat(1_100_000) };
    expect((await app.inject({ method: 'POST', url: '/v1/events', payload: tooLarge })).statusCode).toBe(413);
  });
});

describe('paths', () => {
  it('reaches a literal path with a colon', async () => {
    const reply = await app.inject({ method: 'POST', url: '/v1/sessions:check' });
    expect([reply.statusCode, reply.json()]).toEqual([200, expect.objectContaining({ checked: true })]);
  });

  it.each([
    ['a84b4c76e66710@pc33.atlanta.example'],
    ['a/b?c#d'],
    ['%2F and %25 written out'],
    ['100%'],
    ['"<>[]{}\\^`| \''],
    ['ünïcødé 漢字'],
    ['a:b;c=d&e+f,g$h'],
    ['%'.repeat(256)],
    ['é'.repeat(128)],
  ])('decodes the id %s exactly once', async (id) => {
    const encoded = [...Buffer.from(id)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
    const reply = await app.inject({ method: 'GET', url: `/v1/sessions/${encoded}` });
    expect([reply.statusCode, reply.json()]).toEqual([200, { id }]);
  });

  it.each([
    ['/v1/sessions/%zz', 400, 'invalid-request'],
    ['/v1/sessions/%', 400, 'invalid-request'],
    ['/v1/sessions/%c3', 400, 'invalid-request'],
    [`/v1/sessions/${'x'.repeat(3_000)}`, 400, 'invalid-request'],
    ['/v1/nothing', 404, 'not-found'],
    ['/', 404, 'not-found'],
    ['//v1/sessions', 404, 'not-found'],
  ])('answers %s with %d', async (url, status, code) => {
    const reply = await app.inject({ method: 'GET', url });
    expect(reply.headers['content-type']).toBe(problemType);
    expect([reply.statusCode, reply.json<{ code: string }>().code]).toEqual([status, code]);
  });
});

it('names the path where the path is what is wrong', async () => {
  const reply = await app.inject({ method: 'GET', url: '/v1/sessions/%zz' });
  expect(reply.json()).toMatchObject({
    errors: [{ path: 'path', message: expect.stringContaining('percent-escape') }],
  });
});

describe('on the wire', () => {
  beforeAll(async () => {
    await app.listen(0, '127.0.0.1');
  });

  const raw = (request: string) =>
    new Promise<string>((resolve, reject) => {
      const { port } = app.getHttpServer().address() as AddressInfo;
      let reply = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(request));
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => (reply += chunk));
      socket.on('end', () => resolve(reply));
      socket.on('error', reject);
    });

  it('does not resolve dots in ids', async () => {
    const reply = await raw('GET /v1/sessions/%2e%2e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(reply).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*{"id":"\.\."}$/);
  });

  it('takes an empty body of unknown length', async () => {
    const head =
      'POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n';
    expect(await raw(`${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 201 /);
    expect(await raw(`${head}\r\n`)).toMatch(/^HTTP\/1\.1 201 /);
  });

  it('answers what is no HTTP with a problem too', async () => {
    const reply = await raw('NONSENSE\r\n\r\n');
    expect(reply).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
    expect(await raw(`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('does not say what serves it', async () => {
    const reply = await raw('GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n');
    expect(reply).not.toMatch(/x-powered-by|server:/i);
  });
});

describe('failures', () => {
  it('tells nothing of what went wrong inside, and logs it', async () => {
    logged.length = 0;
    const reply = await app.inject({ method: 'DELETE', url: '/v1/sessions/alice' });
    expect(reply.statusCode).toBe(500);
    expect(reply.payload).not.toContain('hunter2');
    const line = JSON.parse(logged.at(-1) ?? '{}') as Record<string, unknown>;
    expect(line).toMatchObject({ level: 'error', code: 'internal-error', route: '/v1/sessions/:id' });
    expect(JSON.stringify(line)).not.toContain('alice');
  });

  it('answers an outage with Retry-After and what the app adds, and no address', async () => {
    const reply = await app.inject({ method: 'POST', url: '/v1/outage' });
    expect([reply.statusCode, reply.headers['retry-after']]).toEqual([503, '1']);
    expect(reply.json()).toMatchObject({
      code: 'store-unavailable',
      sip: { code: 503, reason: 'Service Unavailable' },
      detail: expect.stringMatching(/^Nothing listens where Redis should be: .*redis\.url/),
    });
    expect(reply.payload).not.toContain('10.0.0.7');
  });

  it('has the sentence as `error` under /api, and only there', async () => {
    const api = (await app.inject('/api/sessions/nothing')).json<Record<string, unknown>>();
    const data = (await app.inject('/v1/nothing')).json<Record<string, unknown>>();
    expect(api['error']).toBe(api['detail']);
    expect(data).not.toHaveProperty('error');
  });
});

describe('health and metrics', () => {
  it('is alive and ready', async () => {
    expect((await app.inject('/health/live')).json()).toEqual({ status: 'ok' });
    const ready = await app.inject('/health/ready');
    expect([ready.statusCode, ready.json()]).toEqual([
      200,
      {
        status: 'ok',
        checks: {
          tenants: { status: 'ok' },
          redis: { status: 'ok' },
          memory: { status: 'ok' },
        },
      },
    ]);
  });

  it('exports the defaults of the process', async () => {
    const reply = await app.inject('/metrics');
    expect(reply.headers['content-type']).toContain('text/plain');
    expect(reply.payload).toContain('process_cpu_seconds_total');
  });
});

describe('with keys', () => {
  const node = newKey();
  const admin = newKey();
  const keyOf = ({ hash }: { hash: string }) => hash.slice('sha256:'.length);
  const bearer = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
  let guarded: NestFastifyApplication;

  beforeAll(async () => {
    const base = { tenant: 'default', nodes: null, emergency: false };
    const keys = [
      { ...base, id: 'n', hash: keyOf(node), role: 'node' as const },
      { ...base, id: 'a', hash: keyOf(admin), role: 'admin' as const },
    ];
    guarded = await start(redis, { auth: { keys } });
  });

  afterAll(async () => {
    await guarded?.close();
  });

  const statusOf = async (url: string, headers: Record<string, string> = {}) =>
    (await guarded.inject({ method: 'GET', url, headers })).statusCode;

  it('asks every call but health for one, unknown paths too', async () => {
    const reply = await guarded.inject('/v1/sessions/a');
    expect([reply.statusCode, reply.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(reply.headers['content-type']).toBe(problemType);
    expect(await statusOf('/v1/nothing')).toBe(401);
    expect(await statusOf('/metrics')).toBe(401);
    expect(await statusOf('/v1/sessions/%zz')).toBe(400);
    expect(await statusOf('/health/live')).toBe(200);
    expect(await statusOf('/health/ready')).toBe(200);
  });

  it('refuses keys it does not know, and other schemes', async () => {
    expect(await statusOf('/v1/sessions/a', bearer(newKey()))).toBe(401);
    expect(await statusOf('/v1/sessions/a', { authorization: `Basic ${node.key}` })).toBe(401);
    expect(await statusOf('/v1/sessions/a', { authorization: `Bearer ${keyOf(node)}` })).toBe(401);
  });

  it('lets each role do its own', async () => {
    expect(await statusOf('/v1/sessions/a', bearer(node))).toBe(200);
    expect(await statusOf('/v1/sessions/a', bearer(admin))).toBe(200);
    expect(await statusOf('/api/sessions/limits', bearer(node))).toBe(403);
    expect(await statusOf('/api/sessions/limits', bearer(admin))).toBe(200);
    expect(await statusOf('/metrics', bearer(node))).toBe(200);
  });

  it("refuses another's tenant", async () => {
    expect(await statusOf('/v1/sessions/a', { ...bearer(node), 'berth-tenant': 'other' })).toBe(403);
    expect(await statusOf('/v1/sessions/a', { ...bearer(node), 'berth-tenant': 'default' })).toBe(200);
  });

  it('does not read the body of a stranger', async () => {
    const payload = JSON.stringify({ sessionId: 'x'.repeat(70_000) });
    const reply = await guarded.inject({ method: 'POST', url: '/v1/sessions', headers: json, payload });
    expect(reply.statusCode).toBe(401);
  });
});

describe('without keys', () => {
  it('takes the tenant from the header, if it is configured', async () => {
    const ask = (tenant: string) =>
      app.inject({ method: 'POST', url: '/v1/sessions:check', headers: { 'berth-tenant': tenant } });
    expect((await ask('default')).json()).toMatchObject({ caller: { tenant: 'default', id: 'local' } });
    expect((await ask('nobody')).statusCode).toBe(403);
    expect((await ask('__proto__')).statusCode).toBe(403);
  });
});

describe('a stop', () => {
  it('does not wait for who has connected and says nothing', async () => {
    const stopped = await start(redis);
    await stopped.listen(0, '127.0.0.1');
    const silent = connect((stopped.getHttpServer().address() as AddressInfo).port, '127.0.0.1');
    await once(silent, 'connect');
    const closed = once(silent.resume(), 'close');
    await stopGracefully(stopped, 600_000);
    await closed;
  });
});
