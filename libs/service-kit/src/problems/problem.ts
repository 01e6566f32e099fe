import { BerthError, InvalidInputError } from '#session-core';

import { isProblemCode, problemType, PROBLEMS, type ProblemCode } from './problem-table.js';

export interface FieldError {
  path: string;
  message: string;
}

export interface ProblemOptions {
  /** In place of the table's status, where the verb decides (409 or 410 for `session-ended`). */
  status?: number;
  /** Members beside the standard ones, e.g. `limits` or `sip`. */
  members?: Record<string, unknown>;
  headers?: Record<string, string>;
  cause?: unknown;
}

/** An answer that is a problem (RFC 9457). `message` becomes `detail`: it is written for the caller. */
export class ProblemException extends BerthError {
  readonly code: ProblemCode;
  readonly status: number;
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(code: ProblemCode, detail: string, { status, members = {}, headers = {}, cause }: ProblemOptions = {}) {
    super(detail, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status ?? PROBLEMS[code].status;
    this.members = members;
    this.headers = headers;
  }
}

/** What goes out. */
export interface ProblemAnswer {
  status: number;
  code: ProblemCode;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

export function problemAnswer(problem: ProblemException): ProblemAnswer {
  const { code, status, message } = problem;
  const retryAfter = code === 'store-unavailable' || code === 'history-unavailable' ? { 'Retry-After': '1' } : {};
  return {
    status,
    code,
    headers: { ...retryAfter, ...problem.headers, 'Content-Type': 'application/problem+json; charset=utf-8' },
    // The standard members last: no member of ours may replace one.
    body: { ...problem.members, type: problemType(code), title: PROBLEMS[code].title, status, detail: message, code },
  };
}

/** What callers hear in place of an error's own words, which tell of inside matters. */
const SAID_PLAINLY: Partial<Record<ProblemCode, string>> = {
  'history-unavailable': 'The history database does not answer; the health of limits-admin and its log have the reason',
};

/**
 * The problem that an error is to the caller. Of errors that are not ours, and of our own that tell of inside matters, nothing
 * but `internal-error` gets out.
 */
export function problemOf(error: unknown): ProblemException {
  if (error instanceof ProblemException) return error;
  if (error instanceof InvalidInputError) {
    return new ProblemException('invalid-request', `${error.path}: ${error.message}`, {
      members: { errors: [{ path: error.path, message: error.message } satisfies FieldError] },
      cause: error,
    });
  }
  if (error instanceof BerthError && isProblemCode(error.code) && error.code !== 'internal-error') {
    return new ProblemException(error.code, SAID_PLAINLY[error.code] ?? error.message, { cause: error });
  }
  return problemOfFramework(error) ?? internalError(error);
}

function internalError(error: unknown): ProblemException {
  return new ProblemException(
    'internal-error',
    'The request could not be completed; the log of the service has the reason',
    { cause: error },
  );
}

/** Codes of Fastify whose own message would not tell the caller what to do. */
const FASTIFY_DETAILS = new Map<string, string>([
  ['FST_ERR_BAD_URL', 'The path holds a malformed percent-escape; encode ids as UTF-8'],
  ['FST_ERR_MAX_PARAM_LENGTH', 'A path parameter is too long; ids have up to 256 bytes'],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'Send the body as application/json'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'The body is not as long as Content-Length says'],
]);

/** Errors of Fastify carry `statusCode`, those of Nest `getStatus()`; of both only 4xx are about the caller. */
function problemOfFramework(error: unknown): ProblemException | null {
  if (typeof error !== 'object' || error === null) return null;
  const { statusCode, code, getStatus } = error as { statusCode?: unknown; code?: unknown; getStatus?: () => number };
  const status = typeof getStatus === 'function' ? getStatus.call(error) : statusCode;
  if (typeof status !== 'number' || status < 400 || status > 499) return null;
  const known = codeOfStatus(status);
  const detail = FASTIFY_DETAILS.get(String(code)) ?? DETAILS.get(known) ?? PROBLEMS[known].title;
  const path = code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_MAX_PARAM_LENGTH' ? 'path' : 'the request';
  const members = known === 'invalid-request' ? { errors: [{ path, message: detail } satisfies FieldError] } : {};
  return new ProblemException(known, detail, { members, cause: error });
}

const DETAILS = new Map<ProblemCode, string>([
  ['not-found', 'No such path, or not with this method'],
  ['payload-too-large', 'Send a smaller body; the limit is 64 KiB, for batches and snapshot parts 1 MiB'],
  ['unsupported-media-type', 'Send the body as application/json'],
]);

function codeOfStatus(status: number): ProblemCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not-found';
    case 405:
      return 'method-not-allowed';
    case 408:
      return 'request-timeout';
    case 413:
      return 'payload-too-large';
    case 415:
      return 'unsupported-media-type';
    default:
      return 'invalid-request';
  }
}
