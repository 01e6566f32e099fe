import { Injectable, Module, type Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { openApiPath, operationsOfApp, problemSchema, problemsOf, type DeclaredOperation } from '#service-kit';

interface Issue {
  path: PropertyKey[];
  message: string;
  /** Of a union: what is wrong by each of its schemas. */
  errors?: Issue[][];
}

/** Holds what an app of a test answers against what its operations declare. */
export class AnswerWatch {
  /** Every route that was registered, `GET /path/{name}`. */
  readonly routes = new Set<string>();
  /** The same app, watched: give it to `createApp`. */
  readonly app: Type;
  private readonly faults = new Set<string>();
  private readonly operations: Map<string, DeclaredOperation>;

  constructor(app: Type) {
    this.operations = new Map(operationsOfApp(app).map((one) => [`${one.method} ${one.path}`, one]));
    const addHooks = (server: FastifyInstance) => this.watch(server);

    /** Adds its hooks before the routes are there. */
    @Injectable()
    class Hooks {
      constructor(host: HttpAdapterHost) {
        addHooks(host.httpAdapter.getInstance<FastifyInstance>());
      }
    }

    @Module({ imports: [app], providers: [Hooks] })
    class Watched {}
    this.app = Watched;
  }

  /** Throws what was answered and is not declared. */
  assertDeclared(): void {
    const faults = [...this.faults];
    this.faults.clear();
    if (faults.length > 0) throw new Error(`Answers that no operation declares:\n${faults.join('\n')}`);
  }

  private watch(server: FastifyInstance): void {
    server.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD') this.routes.add(`${one} ${openApiPath(url)}`);
    });
    server.addHook('onSend', (request, reply, payload, done) => {
      this.look(request, reply, payload);
      done(null, payload);
    });
  }

  private look(request: FastifyRequest, reply: FastifyReply, payload: unknown): void {
    const { url } = request.routeOptions;
    // What is written to somebody who has left is no answer.
    if (url === undefined || request.method === 'HEAD' || request.raw.socket.destroyed) return;
    const route = `${request.method} ${openApiPath(url)}`;
    const operation = this.operations.get(route);
    if (operation === undefined) return;
    const fault = faultOf(operation, reply.statusCode, String(reply.getHeader('content-type') ?? ''), payload);
    if (fault !== null) this.faults.add(`${route} answered ${reply.statusCode}: ${fault}`);
  }
}

function faultOf(operation: DeclaredOperation, status: number, type: string, payload: unknown): string | null {
  const declared = operation.answers[status];
  if (declared === undefined) {
    if (!type.startsWith('application/problem+json')) return `neither declared nor a problem (${type})`;
    const problem = problemSchema.safeParse(JSON.parse(String(payload)));
    if (!problem.success) return `a problem that is none: ${nearestIssue(problem.error.issues)}`;
    const { code, status: written } = problem.data;
    if (written !== status) return `the problem ${code} says that it is ${written}`;
    return problemsOf(operation).get(status)?.includes(code) ? null : `the problem ${code} is not declared`;
  }
  if (declared === null)
    return payload === undefined || payload === null || payload === '' ? null : 'a body where none is declared';
  if ('media' in declared) return declared.media.some((one) => type.startsWith(one)) ? null : `${type} is not declared`;
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return 'no JSON';
  const { success, error } = declared.safeParse(JSON.parse(String(payload)));
  return success ? null : nearestIssue(error.issues);
}

/** Of a union what the schema that comes nearest says. */
function nearestIssue(issues: readonly Issue[]): string {
  const sentences = issues.map(({ path, message, errors = [] }) => {
    const [nearest] = errors.toSorted((one, other) => one.length - other.length);
    return nearest === undefined ? `${path.join('.')}: ${message}` : nearestIssue(nearest);
  });
  return sentences.join('; ');
}
