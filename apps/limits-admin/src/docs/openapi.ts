import { z } from 'zod';

import { PROBLEMS, RIGHTS, rolesWith, type ProblemCode } from '#service-kit';

import type { Route } from './route.js';
import { ROUTES } from './routes.js';

type Json = Record<string, unknown>;

const PROBLEM = { $ref: '#/components/schemas/Problem' };

function audienceOf(needed: Route['for']): string {
  if (needed === 'open') return 'Needs no key.';
  const bound = {
    all: '',
    'their nodes': ' A key that is bound to nodes gets what is of these.',
    nothing: ' Not for keys that are bound to nodes.',
  }[RIGHTS[needed].bound];
  return `Needs the right ${needed}: role ${rolesWith(needed).join(', ')}.${bound}`;
}

/** What this process answers to, as OpenAPI 3.1; bodies and queries are described by the schemas that check them. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) (paths[route.path] ??= {})[route.method] = operation(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Berth limits-admin',
      version: '1',
      description:
        'Limits, users, groups, nodes, and who is aboard. Without keys in the configuration the header Berth-Tenant names the tenant; with keys it is that of the key.',
    },
    tags: [...new Set(ROUTES.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: problemSchema() },
    },
  };
}

function operation(route: Route): Json {
  const { method, path, tag, summary, answer, query, body } = route;
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const asked = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: querySchema(schema as z.ZodType),
  }));
  return {
    operationId: `${method} ${path}`,
    tags: [tag],
    summary,
    description: audienceOf(route.for),
    ...(route.for === 'open' && { security: [] }),
    parameters: [...named, ...asked],
    ...(body !== undefined && {
      requestBody: { required: false, content: { 'application/json': { schema: jsonSchema(body) } } },
    }),
    responses: {
      200: { description: answer, ...(route.media !== undefined && { content: contentOf(route.media) }) },
      ...problemsOf(route.problems ?? []),
      default: problem('What went wrong'),
    },
  };
}

const problem = (description: string): Json => ({
  description,
  content: { 'application/problem+json': { schema: PROBLEM } },
});

/** By status; two of one status stand in one description. */
function problemsOf(codes: readonly ProblemCode[]): Record<string, Json> {
  const said: Record<string, string[]> = {};
  for (const code of codes) (said[PROBLEMS[code].status] ??= []).push(`\`${code}\`: ${PROBLEMS[code].title}`);
  return Object.fromEntries(Object.entries(said).map(([status, sentences]) => [status, problem(sentences.join('; '))]));
}

function contentOf(media: readonly string[]): Json {
  return Object.fromEntries(media.map((type) => [type, { schema: { type: 'string' } }]));
}

/** Queries are text that is read as something else; what holds when they are absent is known behind that reading only. */
function querySchema(schema: z.ZodType): Json {
  const { default: absent } = jsonSchema(schema, 'output');
  return { ...jsonSchema(schema), ...(absent !== undefined && { default: absent }) };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output' = 'input'): Json {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return described;
}

function problemSchema(): Json {
  const text = { type: 'string' };
  return {
    type: 'object',
    description: 'RFC 9457',
    required: ['type', 'title', 'status', 'detail', 'code'],
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      code: { ...text, enum: Object.keys(PROBLEMS) },
      error: { ...text, description: 'Under /api: the sentence of detail, or one that callers know' },
      errors: { type: 'array', items: { type: 'object', properties: { path: text, message: text } } },
    },
  };
}
