import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { fillReference, operationsOfApp } from '#service-kit';
import { assertDescribed, exampleFaults } from '#testing';

import { forWholeSuite } from '../admin-suite.fixture.js';
import { AppModule } from '../app.module.js';
import { type Admin } from '../limits-admin.fixture.js';

interface Described {
  parameters: { name: string; in: string; required: boolean; schema: Record<string, unknown> }[];
  requestBody?: { content: Record<string, { schema: { properties?: Record<string, object>; required?: string[] } }> };
  responses: Record<string, object>;
}

let admin: Admin;
let document: Record<string, unknown> & { openapi: string; paths: Record<string, Record<string, Described>> };

forWholeSuite(async (suite) => {
  admin = await suite.start();
  document = (await admin.app.inject('/openapi.json')).json();
});

describe('GET /openapi.json of limits-admin', () => {
  it('is valid OpenAPI 3.1, and refers to nothing that is not in it', async () => {
    await assertDescribed(document);
  });

  it('has every operation', () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const operations = operationsOfApp(AppModule).map(({ method, path }) => `${method} ${path}`);
    expect(documented.toSorted()).toEqual(operations.toSorted());
  });

  it('describes bodies and queries by the schemas that check them', () => {
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

  it('says what a query has to have', () => {
    expect(document.paths['/api/sessions/limits/-']?.['get']?.parameters).toMatchObject([
      { name: 'username', in: 'query', required: true },
    ]);
    expect(document.paths['/api/sessions/active']?.['get']?.parameters.map(({ required }) => required)).not.toContain(
      true,
    );
  });

  it('has every answer with its schema, every problem, and what comes that is no JSON', () => {
    const { responses } = document.paths['/api/sessions/stats']!['get']!;
    expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '421', '429', '500', '503']);
    expect(responses[503]).toMatchObject({ description: expect.stringMatching(/history-unavailable.*store-unavail/) });
    expect(document.paths['/api/sessions/limits']?.['get']?.responses[200]).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Limits' }, example: { version: 4 } } },
    });
    expect(document.paths['/api/sessions/history/export']?.['get']).toMatchObject({
      responses: { 200: { content: { 'text/csv': {}, 'application/x-ndjson': {} } } },
    });
    expect(document.paths['/health/live']?.['get']).toMatchObject({ security: [], responses: { 200: {}, 500: {} } });
  });
});

it('docs/openapi has the document as it is: `npm run api-reference` writes it', async () => {
  const committed = await readFile(join(import.meta.dirname, '../../../../docs/openapi/limits-admin.json'), 'utf8');
  expect(JSON.parse(committed)).toEqual(document);
});

it('docs/api/operators.md has the tables as they are: `npm run api-reference` writes them', async () => {
  const committed = await readFile(join(import.meta.dirname, '../../../../docs/api/operators.md'), 'utf8');
  expect(committed).toBe(fillReference(committed, operationsOfApp(AppModule)));
});

it('examples are what the schemas take and give', () => {
  const operations = operationsOfApp(AppModule);
  expect(exampleFaults(operations)).toEqual([]);
  expect(operations.filter(({ example }) => example !== undefined).length).toBeGreaterThan(20);
});

describe('GET /docs', () => {
  it('is a page that links it and needs nothing from elsewhere', async () => {
    const reply = await admin.app.inject('/docs');
    expect([reply.statusCode, reply.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(reply.payload).toContain('href="/openapi.json"');
    expect(reply.payload).not.toMatch(/https?:|<script|<link|src=/);
    expect(reply.payload).toContain('PUT /api/sessions/limits');
    expect((await admin.app.inject('/docs/openapi.json')).statusCode).toBe(404);
  });
});
