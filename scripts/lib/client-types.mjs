import { format, resolveConfig } from 'prettier';

/** @typedef {Record<string, any>} Json */

const HEAD = `// Written by \`npm run client-types\` from the operations of admission-gateway and limits-admin.
// Longer than 300 lines: it is one document in another language, and nobody edits it.`;

/**
 * Operations of OpenAPI documents as TypeScript: an interface for each schema that they name, what each operation takes and answers, and where it is found.
 *
 * @param {{ document: Json, wants: (operation: Json) => boolean }[]} parts what of each document
 * @param {string} path of the file to be; its folder's settings format it
 * @returns {Promise<string>}
 */
export async function clientTypes(parts, path) {
  const operations = parts.flatMap(({ document, wants }) => operationsOf(document).filter(wants));
  const schemas = schemasOf(parts.map(({ document }) => document));
  const text = [
    HEAD,
    ...reachable(schemas, operations).map((name) => declared(name, schemas[name])),
    '/** What each operation takes and answers. */',
    `export interface Operations {${operations.map(typeOf).join('')}}`,
    '/** Where each operation is found. */',
    `export const OPERATIONS = ${JSON.stringify(table(operations))} as const satisfies Record<keyof Operations, { method: string; path: string }>;`,
  ].join('\n\n');
  return await format(text, { ...(await resolveConfig(path)), parser: 'typescript' });
}

/**
 * The schemas of all documents by name. Throws where two of one name differ.
 *
 * @param {Json[]} documents
 * @returns {Json}
 */
function schemasOf(documents) {
  /** @type {Json} */
  const all = {};
  for (const { components } of documents) {
    for (const [name, schema] of Object.entries(components.schemas)) {
      if (name in all && JSON.stringify(all[name]) !== JSON.stringify(schema))
        throw new Error(`two schemas are called ${name}`);
      all[name] = schema;
    }
  }
  return all;
}

/** @param {Json} document */
function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(/** @type {Json} */ (methods)).map(([method, operation]) => ({
      ...operation,
      path,
      method: method.toUpperCase(),
    })),
  );
}

/** @param {Json[]} operations */
function table(operations) {
  return Object.fromEntries(operations.map(({ operationId, method, path }) => [operationId, { method, path }]));
}

/**
 * The names of all schemas that these operations lead to, and that of problems.
 *
 * @param {Json} schemas
 * @param {Json[]} operations
 */
function reachable(schemas, operations) {
  const found = new Set();
  /** @param {unknown} part */
  const follow = (part) => {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (found.has(name)) continue;
      found.add(name);
      follow(schemas[String(name)]);
    }
  };
  follow(operations);
  return Object.keys(schemas).filter((name) => found.has(name));
}

/**
 * @param {string} name
 * @param {Json} schema
 */
function declared(name, schema) {
  const fields = schema.type === 'object' && schema.properties !== undefined;
  return `${comment(schema.description)}export ${fields ? `interface ${name} ` : `type ${name} = `}${typed(schema, 'answer')}`;
}

/** @param {Json} operation */
function typeOf({ operationId, summary, parameters = [], requestBody, responses }) {
  /** @param {string} place */
  const named = (place) => {
    const fields = parameters.filter((/** @type {Json} */ one) => one.in === place);
    return `{${fields.map((/** @type {Json} */ one) => field(one.name, one.schema, one.required, 'input')).join('')}}`;
  };
  const body = requestBody?.content['application/json'].schema;
  const answers = Object.entries(responses)
    .filter(([status]) => Number(status) < 300)
    .map(([, answer]) => answer.content?.['application/json']?.schema)
    .filter((schema) => schema !== undefined)
    .map((schema) => typed(schema, 'answer'));
  const members = [
    `params: ${named('path')};`,
    `query: ${named('query')};`,
    `body: ${body === undefined ? 'undefined' : typed(body, 'input')};`,
    `answer: ${[...new Set(answers)].join(' | ') || 'undefined'};`,
  ];
  return `${comment(summary)}${operationId}: {${members.join('')}};`;
}

/**
 * @param {string} name
 * @param {Json} schema
 * @param {boolean} required
 * @param {'input' | 'answer'} io what is sent may be undefined, which is as if it were absent
 */
function field(name, schema, required, io) {
  const type = typed(schema, io);
  const written = required ? `: ${type}` : `?: ${type}${io === 'input' && type !== 'unknown' ? ' | undefined' : ''}`;
  return `${comment(schema.description)}${/^\w+$/.test(name) ? name : JSON.stringify(name)}${written};`;
}

/**
 * @param {Json} schema
 * @param {'input' | 'answer'} io
 * @returns {string}
 */
function typed(schema, io) {
  if (schema.$ref !== undefined) return schema.$ref.slice('#/components/schemas/'.length);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum !== undefined)
    return schema.enum.map((/** @type {unknown} */ one) => JSON.stringify(one)).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map((/** @type {Json} */ one) => typed(one, io)).join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typed({ ...schema, type }, io)).join(' | ');
  switch (schema.type) {
    case 'array':
      return `(${typed(schema.items, io)})[]`;
    case 'object': {
      if (schema.properties === undefined) return 'Record<string, unknown>';
      const required = new Set(schema.required);
      const fields = Object.entries(schema.properties).map(([name, one]) => field(name, one, required.has(name), io));
      return `{${fields.join('')}}`;
    }
    case 'integer':
      return 'number';
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return schema.type;
    default:
      return 'unknown';
  }
}

/** @param {string | undefined} text */
function comment(text) {
  return text === undefined ? '' : `\n/** ${text} */\n`;
}
