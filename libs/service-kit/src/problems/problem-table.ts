import type { Level } from 'pino';

export interface ProblemKind {
  /** HTTP status where the caller of `ProblemException` does not say another. */
  status: number;
  /** The status of a gRPC call. */
  grpc: GrpcStatus;
  title: string;
  /** Whether the same request may succeed later, with nothing changed. */
  retryable: boolean;
  logLevel: Level;
}

/** Those of https://grpc.io/docs/guides/status-codes/ that Berth answers with. */
export type GrpcStatus =
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED';

const kind = (status: number, grpc: GrpcStatus, title: string, retryable: boolean, logLevel: Level): ProblemKind => ({
  status,
  grpc,
  title,
  retryable,
  logLevel,
});

/** The one table from an error's code to what callers and the log see of it. */
export const PROBLEMS = {
  'invalid-request': kind(400, 'INVALID_ARGUMENT', 'The request is not valid', false, 'debug'),
  // Callers with wrong keys must not fill the log: `FailureLog` sums them up.
  unauthorized: kind(401, 'UNAUTHENTICATED', 'A key is needed', false, 'debug'),
  forbidden: kind(403, 'PERMISSION_DENIED', 'Not allowed', false, 'info'),
  'not-found': kind(404, 'NOT_FOUND', 'There is nothing here', false, 'debug'),
  'session-unknown': kind(404, 'NOT_FOUND', 'The session is not known', false, 'debug'),
  'method-not-allowed': kind(405, 'UNIMPLEMENTED', 'This method is not allowed here', false, 'debug'),
  'request-timeout': kind(408, 'DEADLINE_EXCEEDED', 'The request took too long to arrive', true, 'debug'),
  'ambiguous-session': kind(409, 'FAILED_PRECONDITION', 'Several sessions have this id', false, 'debug'),
  'limits-conflict': kind(409, 'FAILED_PRECONDITION', 'The limits were changed by others meanwhile', true, 'warn'),
  'too-many-limits': kind(409, 'FAILED_PRECONDITION', 'The tenant has too many single limits', false, 'debug'),
  'user-has-sessions': kind(409, 'FAILED_PRECONDITION', 'The user has live sessions', false, 'debug'),
  'session-id-conflict': kind(
    409,
    'FAILED_PRECONDITION',
    'This id belongs to a session of another user',
    false,
    'debug',
  ),
  'stale-epoch': kind(409, 'FAILED_PRECONDITION', 'The node has a newer epoch, has left, or is lost', false, 'debug'),
  'node-draining': kind(409, 'FAILED_PRECONDITION', 'The node takes no new sessions', true, 'debug'),
  'session-ended': kind(410, 'FAILED_PRECONDITION', 'The session has ended', false, 'debug'),
  'payload-too-large': kind(413, 'RESOURCE_EXHAUSTED', 'The body is too large', false, 'debug'),
  'unsupported-media-type': kind(415, 'INVALID_ARGUMENT', 'The body is not JSON', false, 'debug'),
  'misdirected-request': kind(421, 'PERMISSION_DENIED', 'This service does not answer for that host', false, 'debug'),
  'user-limit-exceeded': kind(429, 'RESOURCE_EXHAUSTED', 'The user has no place left', true, 'debug'),
  'group-limit-exceeded': kind(429, 'RESOURCE_EXHAUSTED', 'A group has no place left', true, 'debug'),
  'ip-rate-exceeded': kind(429, 'RESOURCE_EXHAUSTED', 'The source address opens too many sessions', true, 'debug'),
  'total-limit-exceeded': kind(429, 'RESOURCE_EXHAUSTED', 'There is no place left', true, 'debug'),
  'too-many-attempts': kind(429, 'RESOURCE_EXHAUSTED', 'Too many wrong keys came from here', true, 'debug'),
  'too-many-requests': kind(429, 'RESOURCE_EXHAUSTED', 'Too much of this is under way', true, 'debug'),
  'internal-error': kind(500, 'INTERNAL', 'Something went wrong inside', false, 'error'),
  // The loss of Redis is logged once, by its connection; a line for each request on top would bury everything else.
  'history-unavailable': kind(503, 'UNAVAILABLE', 'History does not answer', true, 'debug'),
  'store-unavailable': kind(503, 'UNAVAILABLE', 'The store does not answer', true, 'debug'),
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

export function isProblemCode(code: unknown): code is ProblemCode {
  return typeof code === 'string' && Object.hasOwn(PROBLEMS, code);
}

/** The stable `type` of a problem (RFC 9457 section 3.1.1). It names, it does not locate: there is nothing to fetch. */
export function problemType(code: ProblemCode): string {
  return `urn:berth:problem:${code}`;
}
