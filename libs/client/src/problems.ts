import { BerthError, InvalidRequestError } from './errors.js';
import type { Problem } from './generated/operations.js';
import type { Answer } from './transport.js';

/** The problem in an answer, or null if it has none. */
export function problemOf({ status, body }: Answer): Problem | null {
  if (status < 400 || typeof body !== 'object' || body === null) return null;
  return typeof (body as Problem).code === 'string' ? (body as Problem) : null;
}

/** The failure that an answer is, where its problem is no outcome of the call. */
export function failureOf(answer: Answer): BerthError {
  const problem = problemOf(answer);
  if (problem === null) return new BerthError('bad-answer', `The answer ${answer.status} has no meaning here`);
  const { code, detail, title } = problem;
  return code === 'invalid-request'
    ? new InvalidRequestError(code, detail || title, problem)
    : new BerthError(code, detail || title, problem);
}
