import { applyDecorators, HttpCode, SetMetadata } from '@nestjs/common';
import type { z } from 'zod';

import { PROBLEMS, type ProblemCode } from '../problems/problem-table.js';

/** An answer that is not JSON. */
export interface Media {
  /** One or more types, e.g. `text/csv`. */
  media: readonly string[];
  /** What it holds. */
  says: string;
}

/** A problem by its code; with a status where that is not the one of the table. */
export type DeclaredProblem = ProblemCode | readonly [code: ProblemCode, status: number];

/** Its code and its status. */
export function declared(problem: DeclaredProblem): readonly [code: ProblemCode, status: number] {
  return typeof problem === 'string' ? [problem, PROBLEMS[problem].status] : problem;
}

/** JSON of that schema, something else, or no body at all. */
export type Answer = z.ZodType | Media | null;

export interface OperationSpec {
  /** One line: what the call does. */
  summary: string;
  /** What one line cannot hold: rules that callers have to know. */
  description?: string;
  /** The parameters of the path, all of them. */
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** By status, 2xx alone; the lowest is what the framework answers unless the handler says another. */
  answers: Readonly<Record<number, Answer>>;
  /** What may go wrong besides what every call of its kind shares (`sharedProblems`). */
  problems: readonly DeclaredProblem[];
  /** A call as it may look; a test holds both against the schemas. */
  example?: { body?: unknown; answer?: unknown };
}

const OPERATION = 'berth.operation';
const TAG = 'berth.operation.tag';

/**
 * Declares what a handler does. It stands at every handler: the OpenAPI documents, the tables of docs/api, and the tests of access, of hostile
 * input and of real answers are made from it and from nothing else. The path comes from the controller, the right from `@Needs`.
 */
export function Operation(spec: OperationSpec): MethodDecorator {
  return applyDecorators(SetMetadata(OPERATION, spec), HttpCode(Math.min(...Object.keys(spec.answers).map(Number))));
}

/** Under which heading the operations of a controller are listed. */
export const Tag = (name: string) => SetMetadata(TAG, name);

export function specOf(handler: object): OperationSpec | undefined {
  return Reflect.getMetadata(OPERATION, handler) as OperationSpec | undefined;
}

export function tagOf(controller: object, handler: object): string | undefined {
  return (Reflect.getMetadata(TAG, handler) ?? Reflect.getMetadata(TAG, controller)) as string | undefined;
}
