import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';

import { createApp, createLogger, loadConfig } from '#service-kit';
import { startRedis, type RedisServer } from '#testing';

import { AppModule } from '../app.module.js';

interface Operation {
  parameters: { name: string; in: string; schema: Record<string, unknown> }[];
  requestBody?: { content: Record<string, { schema: { properties?: Record<string, object>; required?: string[] } }> };
}

let redis: RedisServer;
let app: NestFastifyApplication;
let document: { openapi: string; paths: Record<string, Record<string, Operation>> };
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

beforeAll(async () => {
  redis = await startRedis();
  const config = { ...loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' }), history: null };
  app = await createApp(RecordedModule, {
    config,
    logger: createLogger(config, 'limits-admin', { write: () => true }),
  });
  document = (await app.inject('/docs/openapi.json')).json();
});

afterAll(async () => {
  await app?.close();
  await redis?.stop();
});

/** A route of Fastify in the words of OpenAPI: `{name}` for `:name`, and a colon for two. */
function inOpenApi(route: string): string {
  return route
    .replaceAll('::', '\u0000')
    .replaceAll(/:(\w+)/g, '{$1}')
    .replaceAll('\u0000', ':');
}

describe('GET /docs/openapi.json', () => {
  it('has every route that is registered, and no other', () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(registered.length).toBeGreaterThan(30);
    expect(documented.toSorted()).toEqual(registered.map(inOpenApi).toSorted());
  });

  it('is OpenAPI 3.1, and describes bodies and queries by the schemas that check them', () => {
    expect(document.openapi).toBe('3.1.0');
    const body = document.paths['/api/sessions/limits']?.['put']?.requestBody?.content['application/json']?.schema;
    expect(body?.properties).toMatchObject({
      max_total_sessions: { type: 'integer', maximum: 1_000_000_000 },
      total_limit_action: { enum: ['reject', 'terminate_oldest'] },
      on_lower: { enum: ['drain', 'trim_now'] },
      classes: { type: 'object' },
      observe: { type: 'array' },
    });
    const lent = document.paths['/api/sessions/users/{username}/temporary-limit']?.['post']?.requestBody;
    expect(lent?.content['application/json']?.schema.required).toEqual(['limit', 'duration']);
    const query = document.paths['/api/sessions/groups/{kind}']?.['get']?.parameters;
    expect(query).toMatchObject([
      { name: 'kind', in: 'path', required: true },
      { name: 'page', in: 'query', schema: { type: 'integer' } },
      { name: 'limit', in: 'query', schema: { type: 'integer', maximum: 1_000, default: 50 } },
    ]);
    expect(document.paths['/api/sessions/peaks']?.['get']?.parameters).toMatchObject([
      { name: 'scope', schema: { enum: ['total', 'user', 'group'], default: 'total' } },
      { name: 'name', schema: { type: 'string' } },
      { name: 'top', schema: { type: 'integer', minimum: 1, maximum: 1_000 } },
      { name: 'window_hours', schema: { type: 'integer' } },
      { name: 'timeRange', schema: { type: 'string' } },
    ]);
  });

  it('says which problems to expect where callers should, and what comes that is no JSON', () => {
    expect(document.paths['/api/sessions/stats']?.['get']).toMatchObject({
      responses: {
        400: {},
        404: {},
        503: { description: expect.stringMatching(/history-unavailable.*store-unavail/) },
      },
    });
    expect(document.paths['/api/sessions/history/export']?.['get']).toMatchObject({
      responses: { 200: { content: { 'text/csv': {}, 'application/x-ndjson': {} } } },
    });
  });

  it('refers to nothing that is not in it', () => {
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path ?? '');
    expect(references.length).toBeGreaterThan(0);
    for (const path of new Set(references)) {
      const target = path.split('/').reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], document);
      expect(target).toBeDefined();
    }
  });
});

describe('GET /docs', () => {
  it('is a page that links it and needs nothing from elsewhere', async () => {
    const reply = await app.inject('/docs');
    expect([reply.statusCode, reply.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(reply.payload).toContain('href="/docs/openapi.json"');
    expect(reply.payload).not.toMatch(/https?:|<script|<link|src=/);
    expect(reply.payload).toContain('PUT /api/sessions/limits');
  });
});
