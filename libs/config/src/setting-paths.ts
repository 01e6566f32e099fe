import { z } from 'zod';

import type { SettingInfo } from './schema/fields.schema.js';

export interface SettingEntry extends Partial<SettingInfo> {
  path: string;
  schema: z.ZodType;
  /** True for mappings, whose keys follow as entries of their own. */
  section: boolean;
}

const SECRETS = new Set([
  'password',
  'secret',
  'url',
  'hash',
  'hash_key',
  'database_url',
  'BERTH_REDIS_URL',
  'BERTH_DATABASE_URL',
  'BERTH_SENTINEL_PASSWORD',
  'REDIS_PASSWORD',
]);

/** Whether values under this key must not be shown. */
export function isSecret(key: string): boolean {
  return SECRETS.has(key);
}

/** Every key that may be written, parents first; `<name>` stands for a name of the operator's choice, `[]` for an item of a list. */
export function settingEntries(schema: z.ZodType, path = ''): SettingEntry[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    const named = Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, child]) =>
      entriesOf(child, path, key),
    );
    const catchall = inner.def.catchall as z.ZodType | undefined;
    return catchall && unwrap(catchall) instanceof z.ZodObject
      ? [...named, ...entriesOf(catchall, path, '<protocol>')]
      : named;
  }
  if (inner instanceof z.ZodRecord && unwrap(inner.valueType as z.ZodType) instanceof z.ZodObject) {
    return entriesOf(inner.valueType as z.ZodType, path, '<name>');
  }
  if (inner instanceof z.ZodArray && unwrap(inner.element as z.ZodType) instanceof z.ZodObject) {
    return settingEntries(inner.element as z.ZodType, `${path}[]`);
  }
  return [];
}

function entriesOf(child: z.ZodType, parent: string, key: string): SettingEntry[] {
  const path = parent === '' ? key : `${parent}.${key}`;
  const below = settingEntries(child, path);
  const { description, ...info } = child.meta() ?? {};
  return [{ ...info, text: description ?? '', path, schema: child, section: below.length > 0 }, ...below];
}

export function settingPaths(schema: z.ZodType): string[] {
  return settingEntries(schema).map(({ path }) => path);
}

/** The schema without its defaults, optionality and preprocessing. */
export function unwrap(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.unwrap() as z.ZodType);
  }
  if (schema instanceof z.ZodPipe) {
    // preprocess: a transform, then the schema; otherwise a schema, then a transform of its result
    const { in: input, out: output } = schema.def;
    return unwrap((input instanceof z.ZodTransform ? output : input) as z.ZodType);
  }
  return schema;
}
