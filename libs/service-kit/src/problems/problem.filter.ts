import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import type { Logger } from '../logging/logger.js';
import { problemAnswer, problemOf, type ProblemException } from './problem.js';
import { PROBLEMS, type ProblemCode } from './problem-table.js';

export interface ProblemFilterOptions {
  /** Under this path the body has the sentence as `error` too, as callers of the drop-in surface expect it. */
  errorMemberUnder?: string;
  /** Members for problems that are thrown below the controllers, e.g. `sip` for `store-unavailable`. */
  membersOf?: (code: ProblemCode) => Record<string, unknown>;
}

/** Answers every error of a request as problem details (RFC 9457), and logs it as the table says. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly options: ProblemFilterOptions = {},
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    if (isLeaving(error, request)) {
      this.logger.debug({ route: routeOf(request) }, 'The caller left before it had its answer');
      reply.raw.destroy();
      return;
    }
    const problem = problemOf(error);
    this.log(problem, request);
    if (reply.sent || reply.raw.headersSent) {
      // A stream had begun: there is no way left to say it but to break off.
      reply.raw.destroy();
      return;
    }
    const { status, headers, text } = this.words(problem, request.url);
    // A string: Fastify has no serializer for this content type, and would ask for one.
    void reply.code(status).headers(headers).send(text);
  }

  /** What a request for this URL is answered. */
  words(problem: ProblemException, url: string): { status: number; headers: Record<string, string>; text: string } {
    const { status, code, headers, body } = problemAnswer(problem);
    const extra = this.options.membersOf?.(code) ?? {};
    const { errorMemberUnder = '/api' } = this.options;
    const underApi = url.startsWith(`${errorMemberUnder}/`);
    const sentence = underApi && body['error'] === undefined ? { error: problem.message } : {};
    return { status, headers, text: JSON.stringify({ ...extra, ...sentence, ...body }) };
  }

  private log(problem: ProblemException, request: FastifyRequest): void {
    const level = PROBLEMS[problem.code].logLevel;
    if (!this.logger.isLevelEnabled(level)) return;
    const fields = { code: problem.code, method: request.method, route: routeOf(request) };
    this.logger[level](level === 'error' ? { ...fields, err: problem.cause } : fields, PROBLEMS[problem.code].title);
  }
}

/** The pattern of the route, not the path, which holds names of users. */
function routeOf(request: FastifyRequest): string | null {
  return request.routeOptions?.url ?? null;
}

/** Not a failure of this side: a stream says so when the connection that it was for is gone. */
function isLeaving(error: unknown, { raw }: FastifyRequest): boolean {
  return raw.socket.destroyed && (error as { code?: unknown } | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
