import type { Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';

import type { OperationSpec } from './operation.js';

/** What the parameter decorators of Nest note: by `kind:index`, with the name that `@Query('name')` gives. */
type Arguments = Record<string, { data?: unknown }>;

/** The parts of a request that a handler takes by a decorator of their own. */
const PARTS = [
  { kind: RouteParamtypes.BODY, decorator: '@Body', declaredBy: 'body' },
  { kind: RouteParamtypes.QUERY, decorator: '@Query', declaredBy: 'query' },
  { kind: RouteParamtypes.PARAM, decorator: '@Param', declaredBy: 'params' },
] as const;

/** A handler with one of these may read anything, and no decorator shows what. */
const WHOLE = [
  { kind: RouteParamtypes.REQUEST, decorator: '@Req' },
  { kind: RouteParamtypes.RAW_BODY, decorator: '@RawBody' },
] as const;

/**
 * How what a handler takes and what it declares differ; null where they do not. Body, query and parameters of the path are each declared
 * exactly where the handler takes them, the parameters by the names that the path has.
 *
 * @param path as OpenAPI writes it
 */
export function undeclared(controller: Type, handler: string, path: string, spec: OperationSpec): string | null {
  const taken = Object.entries(
    (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, handler) as Arguments | undefined) ?? {},
  );
  const namesOf = (wanted: RouteParamtypes) =>
    taken.flatMap(([key, { data }]) => (key.startsWith(`${wanted}:`) ? [data as string | undefined] : []));

  for (const { kind, decorator } of WHOLE) {
    if (namesOf(kind).length > 0)
      return `takes ${decorator}, which does not show what it reads: take @Body, @Query or @Param`;
  }
  for (const { kind, decorator, declaredBy } of PARTS) {
    const names = namesOf(kind);
    const schema = spec[declaredBy];
    if (names.length > 0 && schema === undefined) return `takes ${decorator} and declares no ${declaredBy}`;
    if (names.length === 0 && schema !== undefined) return `declares ${declaredBy} and takes no ${decorator}`;
    if (schema === undefined || !('shape' in schema)) continue;
    const lacking = names.find((name) => name !== undefined && !Object.hasOwn(schema.shape as object, name));
    if (lacking !== undefined) return `takes ${decorator}('${lacking}'), which ${declaredBy} does not have`;
  }
  const inPath = new Set([...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name));
  const declared = Object.keys(spec.params?.shape ?? {});
  if (declared.length === inPath.size && declared.every((name) => inPath.has(name))) return null;
  return `declares the params ${declared.join(', ') || 'of none'}; its path has ${[...inPath].join(', ') || 'none'}`;
}
