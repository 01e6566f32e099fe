import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { fillReference, operationsOfApp } from '#service-kit';
import { assertDescribed, exampleFaults } from '#testing';

import { AppModule } from './app.module.js';
import { type Gateway, onOneGateway } from './gateway.fixture.js';

interface Described {
  parameters: { name: string }[];
  requestBody: { content: Record<string, { schema: { properties: Record<string, unknown> }; example: unknown }> };
  responses: Record<string, { description: string; content: Record<string, { schema: unknown }> }>;
}

let gateway: Gateway;
let document: { paths: Record<string, Record<string, Described>> };

onOneGateway({}, async (suite) => {
  ({ gateway } = suite);
  document = (await gateway.get('/openapi.json')).body as unknown as typeof document;
});

describe('GET /openapi.json of the gateway', () => {
  it('is valid OpenAPI 3.1, and refers to nothing that is not in it', async () => {
    await assertDescribed(document);
  });

  it('has every operation with its answers and all its problems, those that all calls share among them', () => {
    const responses = document.paths['/v1/sessions']!['post']!.responses;
    expect(Object.keys(responses)).toEqual([
      '200',
      '201',
      '400',
      '401',
      '403',
      '409',
      '413',
      '415',
      '421',
      '429',
      '500',
      '503',
    ]);
    expect(responses[429]!.description).toMatch(/user-limit-exceeded.*total-limit-exceeded.*too-many-attempts/);
    expect(responses[201]!.content['application/json']!.schema).toEqual({ $ref: '#/components/schemas/Admitted' });
    const transfer = document.paths['/v1/sessions/{id}/transfer']!['post']!.responses;
    for (const status of [409, 410]) expect(transfer[status]!.description).toContain('session-ended');
    expect(responses[409]!.description).toContain('session-ended');
    expect(document.paths['/health/live']!['get']).toMatchObject({ security: [], responses: { 200: {}, 500: {} } });
  });

  it('shows bodies, queries and paths by the schemas that check them', () => {
    const create = document.paths['/v1/sessions']!['post']!.requestBody.content['application/json']!;
    expect(create.schema.properties['ttlSeconds']).toMatchObject({ type: 'number' });
    expect(create.example).toMatchObject({ node: 'b2bua-1' });
    expect(document.paths['/v1/sessions/{id}']!['delete']!.parameters).toMatchObject([
      { name: 'id', in: 'path', required: true },
      { name: 'user', in: 'query' },
      { name: 'reason', in: 'query' },
      { name: 'attempt', in: 'query' },
    ]);
  });
});

it('docs/openapi has the document as it is: `npm run api-reference` writes it', async () => {
  const committed = await readFile(join(import.meta.dirname, '../../../docs/openapi/admission-gateway.json'), 'utf8');
  expect(JSON.parse(committed)).toEqual(document);
});

it('examples are what the schemas take and give', () => {
  expect(exampleFaults(operationsOfApp(AppModule))).toEqual([]);
});

it('docs/api/servers.md has the tables as they are: `npm run api-reference` writes them', async () => {
  const committed = await readFile(join(import.meta.dirname, '../../../docs/api/servers.md'), 'utf8');
  expect(committed).toBe(fillReference(committed, operationsOfApp(AppModule)));
});
