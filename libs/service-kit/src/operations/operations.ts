import { RequestMethod, type DynamicModule, type Type } from '@nestjs/common';
import { METHOD_METADATA, MODULE_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';

import { rightOf } from '../auth/rights.guard.js';
import type { Right } from '../auth/rights.js';
import { specOf, tagOf, type OperationSpec } from './operation.js';
import { undeclared } from './taken.js';

/** An operation with all that is known of it. */
export interface Operation extends OperationSpec {
  /** `SessionsController.create`: names it in messages. */
  handler: string;
  /** Upper case. */
  method: string;
  /** As OpenAPI writes it: `{name}` for a parameter. */
  path: string;
  tag: string;
  /** The right that the caller needs; `open`: nobody needs a key. */
  right: Right | 'open';
}

type ModuleLike = Type | DynamicModule;

/**
 * The operations of these controllers, by path and method. Throws on a handler without a declaration, a right or a heading, and on one that
 * takes what it does not declare or declares what it does not take.
 */
export function operationsOf(controllers: Iterable<Type>): Operation[] {
  const rank = ({ path, method }: Operation) => `${path} ${method}`;
  return [...controllers].flatMap(ofController).toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/** The controllers of these modules and of all that they import. */
export function controllersOf(modules: readonly ModuleLike[], seen = new Set<unknown>()): Set<Type> {
  const found = new Set<Type>();
  for (const module of modules) {
    if (seen.has(module)) continue;
    seen.add(module);
    const { type, own } = 'module' in module ? { type: module.module, own: module } : { type: module, own: undefined };
    const listed = <T>(name: 'controllers' | 'imports'): T[] => [
      ...((Reflect.getMetadata(name, type) as T[] | undefined) ?? []),
      ...((own?.[name] as T[] | undefined) ?? []),
    ];
    for (const controller of listed<Type>(MODULE_METADATA.CONTROLLERS as 'controllers')) found.add(controller);
    const imported = listed<ModuleLike>(MODULE_METADATA.IMPORTS as 'imports');
    for (const controller of controllersOf(imported, seen)) found.add(controller);
  }
  return found;
}

function ofController(controller: Type): Operation[] {
  const prototype = controller.prototype as Record<string, unknown>;
  const base = Reflect.getMetadata(PATH_METADATA, controller) as string;
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const handler = prototype[name];
    if (name === 'constructor' || typeof handler !== 'function') return [];
    const path = Reflect.getMetadata(PATH_METADATA, handler) as string | undefined;
    if (path === undefined) return [];
    const called = `${controller.name}.${name}`;
    const [spec, right, tag] = [specOf(handler), rightOf(handler, controller), tagOf(controller, handler)];
    if (spec === undefined)
      throw new Error(`${called} answers requests and says nothing of it: declare it by @Operation`);
    if (right === undefined)
      throw new Error(`${called} does not say who may call it: name a right by @Needs, or @Open`);
    if (tag === undefined) throw new Error(`${called} is under no heading: name one by @Tag`);
    const method = RequestMethod[Reflect.getMetadata(METHOD_METADATA, handler) as number] ?? '';
    const written = openApiPath(base, path);
    const difference = undeclared(controller, name, written, spec);
    if (difference !== null) throw new Error(`${called} ${difference}`);
    return [{ ...spec, handler: called, method, path: written, tag, right }];
  });
}

/** A route of Nest or Fastify, whole or in parts, as OpenAPI writes it: `{name}` for `:name`, and a colon for two. */
export function openApiPath(...parts: string[]): string {
  const path = parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .map((part) =>
      part
        .split('::')
        .map((piece) => piece.replace(/:(\w+)/g, '{$1}'))
        .join(':'),
    );
  return `/${path.join('/')}`;
}
