import {
  anything,
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  dictionary,
  double,
  integer,
  jsonValue,
  oneof,
  record,
  string,
  type Arbitrary,
} from 'fast-check';

/** JSON Schema, as far as zod writes it. */
type JsonSchema = { [keyword: string]: unknown };

/** An operation of an OpenAPI document, as far as its requests go. */
interface Described {
  parameters?: { name: string; in: string; schema: JsonSchema }[];
  requestBody?: { content: Record<string, { schema: JsonSchema; example?: unknown }> };
}

interface WildRequest {
  method: string;
  /** With its query. */
  url: string;
  /** JSON; undefined for none. */
  body: unknown;
}

const MAX_ITEMS = 4;

const WILD: Arbitrary<unknown> = oneof(
  jsonValue({ maxDepth: 2 }),
  constantFrom<unknown>(
    null,
    -1,
    0,
    1.5,
    2 ** 31,
    2 ** 53,
    1e308,
    '',
    '-',
    '*',
    'a:b',
    '\ud800',
    '\u0000',
    'sip:a@b',
    '0x10',
    '1e3',
    {},
    [],
  ),
  string({ unit: 'binary', maxLength: 300 }),
  constant('x'.repeat(5_000)),
);

export type Document = {
  paths: Record<string, Record<string, unknown>>;
  components?: { schemas?: Record<string, JsonSchema> };
};

/** As light-my-request takes it, which is what an app without a port is asked by. */
interface InjectedRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: string;
  payload?: string;
  headers?: Record<string, string>;
}

/** Asks each of these operations as often as the others, so many times in all, for what `wildRequests` makes up. */
export async function askWildly(
  document: Document,
  operations: readonly { method: string; path: string }[],
  count: number,
  ask: (request: InjectedRequest) => Promise<void>,
): Promise<void> {
  const numRuns = Math.ceil(count / operations.length);
  for (const { method, path } of operations) {
    const property = asyncProperty(wildRequests(document, method, path), async ({ url, body }) => {
      const request = { method: method as InjectedRequest['method'], url };
      const headers = { 'content-type': 'application/json' };
      await ask(body === undefined ? request : { ...request, payload: JSON.stringify(body), headers });
    });
    await assert(property, { numRuns });
  }
}

/** Requests for one operation of the document: of the shape that it describes, nearly so, or of no shape at all. */
function wildRequests(document: Document, method: string, path: string): Arbitrary<WildRequest> {
  const { parameters = [], requestBody } = (document.paths[path]?.[method.toLowerCase()] ?? {}) as Described;
  const schemas = document.components?.schemas ?? {};
  const text = (schema: JsonSchema) => oneof({ weight: 3, arbitrary: ofSchema(schema, schemas, 0) }, WILD).map(inUrl);
  const named = parameters.filter((one) => one.in === 'path');
  const asked = parameters.filter((one) => one.in === 'query');
  const inPath = record(Object.fromEntries(named.map(({ name, schema }) => [name, text(schema)])));
  const inQuery = record(Object.fromEntries(asked.map(({ name, schema }) => [name, text(schema)])), {
    requiredKeys: [],
  });
  const { schema, example } = requestBody?.content['application/json'] ?? {};
  const body = schema === undefined ? constant(undefined) : wildBodies(ofSchema(schema, schemas, 0), example);
  return record({ inPath, inQuery, body }).map(({ inPath: values, inQuery: query, body: sent }) => {
    const to = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (values as Record<string, string>)[name] || '-');
    const search = Object.entries(query).map(([name, value]) => `${name}=${String(value)}`);
    return { method, url: search.length === 0 ? to : `${to}?${search.join('&')}`, body: sent };
  });
}

/** Of the shape, like the example but for a few fields, or of no shape. */
function wildBodies(shaped: Arbitrary<unknown>, example: unknown): Arbitrary<unknown> {
  const near = shaped.map((value) => {
    if (typeof value !== 'object' || value === null || typeof example !== 'object') return example;
    return { ...example, ...Object.fromEntries(Object.entries(value).slice(0, 2)) };
  });
  return oneof({ weight: 3, arbitrary: shaped }, { weight: 2, arbitrary: example === undefined ? shaped : near }, WILD);
}

/** What the schema describes; in one of ten places something else. */
function ofSchema(schema: JsonSchema, schemas: Record<string, JsonSchema>, depth: number): Arbitrary<unknown> {
  const right = described(schema, schemas, depth);
  return depth > 6 ? right : oneof({ weight: 9, arbitrary: right }, WILD);
}

function described(schema: JsonSchema, schemas: Record<string, JsonSchema>, depth: number): Arbitrary<unknown> {
  const { $ref, enum: values, anyOf, oneOf, allOf, type } = schema;
  if (typeof $ref === 'string') return described(schemas[$ref.split('/').at(-1) ?? ''] ?? {}, schemas, depth + 1);
  if ('const' in schema) return constant(schema['const']);
  if (Array.isArray(values)) return constantFrom(...(values as unknown[]));
  const some = (anyOf ?? oneOf ?? allOf) as JsonSchema[] | undefined;
  if (some !== undefined && some.length > 0) return oneof(...some.map((one) => ofSchema(one, schemas, depth + 1)));
  switch (type) {
    case 'null':
      return constant(null);
    case 'boolean':
      return boolean();
    case 'integer':
    case 'number':
      return numbers(schema);
    case 'string':
      return oneof(
        constantFrom(
          'alice',
          'b2bua-1',
          'trunk:west',
          'sip:a@example.com',
          '192.0.2.1',
          '2026-01-01T00:00:00Z',
          '5',
          '10m',
        ),
        string({ maxLength: 40 }),
      );
    case 'array':
      return array(ofSchema((schema['items'] ?? {}) as JsonSchema, schemas, depth + 1), { maxLength: MAX_ITEMS });
    case 'object':
      return objects(schema, schemas, depth);
    default:
      return anything({ maxDepth: 1 });
  }
}

function numbers({ minimum, maximum, type }: JsonSchema): Arbitrary<number> {
  const min = Math.max(Number(minimum ?? -1_000), Number.MIN_SAFE_INTEGER);
  const max = Math.min(Number(maximum ?? 1_000_000), Number.MAX_SAFE_INTEGER);
  if (type === 'number') return double({ min, max, noNaN: true });
  return oneof(integer({ min: Math.ceil(min), max: Math.min(max, min + 20) }), integer({ min: Math.ceil(min), max }));
}

function objects(schema: JsonSchema, schemas: Record<string, JsonSchema>, depth: number): Arbitrary<object> {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>);
  const fields = record(
    Object.fromEntries(properties.map(([name, one]) => [name, ofSchema(one, schemas, depth + 1)])),
    {
      requiredKeys: [],
    },
  );
  const { additionalProperties } = schema;
  const more =
    typeof additionalProperties === 'object' && additionalProperties !== null
      ? (additionalProperties as JsonSchema)
      : {};
  const others = dictionary(
    constantFrom('alice', 'trunk', 'trunk:west', 'gold', '__proto__', 'x', ''),
    ofSchema(more, schemas, depth + 1),
    {
      maxKeys: 2,
    },
  );
  return record({ fields, others }).map(({ fields: own, others: extra }) => ({ ...extra, ...own }));
}

/** Anything as a part of a URL: mostly escaped as it should be. */
function inUrl(value: unknown): string {
  const written = typeof value === 'string' ? value : JSON.stringify(value ?? '');
  try {
    return encodeURIComponent(written.slice(0, 400));
  } catch {
    return '%ED%A0%80'; // half a character
  }
}
