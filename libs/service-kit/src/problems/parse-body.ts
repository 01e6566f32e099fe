import { z } from 'zod';

import { ProblemException, type FieldError } from './problem.js';

/** More than a person would fix in one go; the rest of a hostile body is not worth an answer. */
const MAX_REPORTED = 50;
const MAX_NAME_LENGTH = 64;

/**
 * The body as the schema has it; an empty one counts as `{}`, and a field that is null as absent where the schema gives null no meaning of its own. Throws `invalid-request` with `errors: [{path, message}]`, one
 * for each failing field. Fields that the schema does not know are ignored; `unknownFields` names them.
 */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  return parse(schema, body === undefined ? {} : body, 'the body');
}

/** The same for query parameters. */
export function parseQuery<T extends z.ZodType>(schema: T, query: unknown): z.output<T> {
  return parse(schema, query ?? {}, 'the query');
}

function parse<T extends z.ZodType>(schema: T, input: unknown, whole: string): z.output<T> {
  let given = input;
  let result = schema.safeParse(given);
  while (!result.success) {
    const rest = withoutNulls(given, result.error.issues);
    if (rest === null) break;
    given = rest;
    result = schema.safeParse(given);
  }
  if (result.success) return result.data;
  const errors = result.error.issues.slice(0, MAX_REPORTED).map((issue) => fieldError(issue, given, whole));
  const detail = errors
    .map(({ path, message }) => `${path}: ${message}`)
    .slice(0, 3)
    .join('; ');
  throw new ProblemException('invalid-request', errors.length > 3 ? `${detail}; …` : detail, { members: { errors } });
}

/** What was refused, without the fields that were refused as null; null where there are none. Only then it costs anything. */
function withoutNulls(input: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const nulls = issues.flatMap(({ path }) => {
    const name = path.at(-1);
    const holder = valueAt(input, path.slice(0, -1));
    return typeof name === 'string' && isObject(holder) && holder[name] === null ? [{ name, path }] : [];
  });
  if (nulls.length === 0) return null;
  const rest = structuredClone(input);
  for (const { name, path } of nulls) {
    const holder = valueAt(rest, path.slice(0, -1));
    if (isObject(holder)) delete holder[name];
  }
  return rest;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (value as Record<PropertyKey, unknown> | null | undefined)?.[step],
    input,
  );
}

function fieldError(issue: z.core.$ZodIssue, input: unknown, whole: string): FieldError {
  const path = pathOf(issue.path) || whole;
  if (issue.code === 'unrecognized_keys')
    return { path, message: `unknown: ${issue.keys.slice(0, 5).map(shortened).join(', ')}` };
  const found = valueAt(input, issue.path);
  const message = issue.message.replace(/^Invalid input: /, '').replace(/, received undefined$/, '');
  return { path, message: found === undefined && issue.code === 'invalid_type' ? `is required: ${message}` : message };
}

/** `sessions[3].id` */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${shortened(String(step))}`))
    .join('')
    .replace(/^\./, '');
}

/** The paths of fields that the schema does not know, at any depth that it describes; at most 50. For `warnings`. */
export function unknownFields(schema: z.ZodType, body: unknown): string[] {
  const found: string[] = [];
  collect(schema, body, '', found);
  return found;
}

function collect(schema: z.ZodType, value: unknown, path: string, found: string[]): void {
  if (typeof value !== 'object' || value === null || found.length >= MAX_REPORTED) return;
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    value.forEach((item, index) => collect(inner.element as z.ZodType, item, `${path}[${index}]`, found));
  }
  if (!(inner instanceof z.ZodObject) || inner.def.catchall !== undefined || Array.isArray(value)) return;
  const shape = inner.shape as Record<string, z.ZodType>;
  for (const [key, item] of Object.entries(value)) {
    const field = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (field !== undefined && typeof item !== 'object') continue;
    const at = path === '' ? shortened(key) : `${path}.${shortened(key)}`;
    if (field !== undefined) collect(field, item, at, found);
    else if (found.length < MAX_REPORTED) found.push(at);
  }
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodPipe) {
    const { in: input, out: output } = schema.def;
    return unwrapped((input instanceof z.ZodTransform ? output : input) as z.ZodType);
  }
  return schema;
}

function shortened(name: string): string {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
}
