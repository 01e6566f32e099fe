import { z } from 'zod';

import { RIGHTS, rolesWith } from '../auth/rights.js';
import { PROBLEMS, type ProblemCode } from '../problems/problem-table.js';
import { problemSchema } from './problem.schema.js';
import { declared, type Answer } from './operation.js';
import type { Operation } from './operations.js';

type Json = Record<string, unknown>;

export interface ApiTitle {
  title: string;
  description: string;
}

/** These operations as OpenAPI 3.1: bodies, queries and answers are described by the schemas that check them. */
export function openApiDocument({ title, description }: ApiTitle, operations: readonly Operation[]): Json {
  const schemas = new Schemas();
  const paths: Record<string, Json> = {};
  for (const one of operations) (paths[one.path] ??= {})[one.method.toLowerCase()] = operationObject(one, schemas);
  return {
    openapi: '3.1.0',
    info: { title, version: '1', description },
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: schemas.named,
    },
  };
}

/** Who may call, in one sentence. */
function audienceOf({ right }: Operation): string {
  if (right === 'open') return 'Needs no key.';
  const bound = {
    all: '',
    'their nodes': ' A key that is bound to nodes gets what is of these.',
    nothing: ' Not for keys that are bound to nodes.',
  }[RIGHTS[right].bound];
  return `Needs the right ${right}: role ${rolesWith(right).join(', ')}.${bound}`;
}

/** What may go wrong with every call of this kind. */
export function sharedProblems({ right, method, params, query }: Operation): ProblemCode[] {
  // Of another method than GET a body is read, whether or not the call wants one.
  const reads = method !== 'GET';
  const asked: ProblemCode[] = reads || params !== undefined || query !== undefined ? ['invalid-request'] : [];
  const sent: ProblemCode[] = reads ? ['payload-too-large', 'unsupported-media-type'] : [];
  const doors: ProblemCode[] = ['unauthorized', 'forbidden', 'too-many-attempts', 'misdirected-request'];
  return [...asked, ...sent, ...(right === 'open' ? [] : doors), 'internal-error'];
}

/** All that may go wrong, by status. */
export function problemsOf(operation: Operation): Map<number, ProblemCode[]> {
  const found = new Map<number, Set<ProblemCode>>();
  for (const problem of [...operation.problems, ...sharedProblems(operation)]) {
    const [code, status] = declared(problem);
    found.set(status, (found.get(status) ?? new Set()).add(code));
  }
  const byStatus = [...found].toSorted(([a], [b]) => a - b);
  return new Map(byStatus.map(([status, codes]) => [status, [...codes]]));
}

function operationObject(operation: Operation, schemas: Schemas): Json {
  const { handler, method, tag, summary, description, params, query, body, answers, right, example } = operation;
  const named = Object.entries(params?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemas.of(schema as z.ZodType, 'input'),
  }));
  const asked = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !(schema as z.ZodType).safeParse(undefined).success,
    schema: schemas.ofQuery(schema as z.ZodType),
  }));
  return {
    operationId: operationId(handler, method),
    tags: [tag],
    summary,
    description: [description, audienceOf(operation)].filter((text) => text !== undefined).join('\n\n'),
    ...(right === 'open' && { security: [] }),
    ...(named.length + asked.length > 0 && { parameters: [...named, ...asked] }),
    ...(body !== undefined && {
      requestBody: {
        required: !body.safeParse({}).success,
        content: {
          'application/json': {
            schema: schemas.of(body, 'input'),
            ...(example?.body !== undefined && { example: example.body }),
          },
        },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer], index) => [
          status,
          answered(answer, schemas, index === 0 ? example?.answer : undefined),
        ]),
      ),
      ...Object.fromEntries(
        [...problemsOf(operation)].map(([status, codes]) => [
          status,
          {
            description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
            content: { 'application/problem+json': { schema: schemas.of(problemSchema, 'output') } },
          },
        ]),
      ),
    },
  };
}

/** `SessionsController.create` as `sessions_create`. */
function operationId(handler: string, method: string): string {
  const [controller = '', name = ''] = handler.split('.');
  const subject = controller.replace(/Controller$/, '').replaceAll(/(?<=.)([A-Z])/g, '_$1');
  return name === '' ? `${subject}_${method}`.toLowerCase() : `${subject.toLowerCase()}_${name}`;
}

function answered(answer: Answer, schemas: Schemas, example: unknown): Json {
  if (answer === null) return { description: 'Done' };
  if ('media' in answer) {
    const content = answer.media.map((type) => [type, { schema: { type: 'string' } }]);
    return { description: answer.says, content: Object.fromEntries(content) };
  }
  const schema = schemas.of(answer, 'output');
  return {
    description: z.globalRegistry.get(answer)?.description ?? 'Done',
    content: { 'application/json': { schema, ...(example !== undefined && { example }) } },
  };
}

/** Schemas that have an `id` in their metadata are written once, under their name. */
class Schemas {
  readonly named: Record<string, Json> = {};

  of(schema: z.ZodType, io: 'input' | 'output'): Json {
    const { $schema: _, $defs = {}, ...own } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
    for (const [name, described] of Object.entries($defs as Record<string, Json>)) this.keep(name, described);
    const id = z.globalRegistry.get(schema)?.id;
    if (id === undefined) return withReferences(own);
    // Of some schemas that have a name zod gives a reference to themselves, and the schema among its definitions.
    if (own['$ref'] === undefined) this.keep(id, own);
    return { $ref: `#/components/schemas/${id}` };
  }

  /** Queries are text that is read as something else; what holds when they are absent is known behind that reading only. */
  ofQuery(schema: z.ZodType): Json {
    const { default: absent } = this.of(schema, 'output');
    return { ...this.of(schema, 'input'), ...(absent !== undefined && { default: absent }) };
  }

  private keep(name: string, described: Json): void {
    this.named[name] = withReferences(described);
  }
}

/** `#/$defs/Name` of a schema that stands alone is `#/components/schemas/Name` in the document. */
function withReferences(schema: Json): Json {
  const { id: _, $schema: __, ...rest } = schema;
  return JSON.parse(JSON.stringify(rest).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;
}
