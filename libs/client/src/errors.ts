import type { Problem } from './generated/operations.js';

/** The codes of problems that gateways answer. */
export type ProblemCode = Problem['code'];

/**
 * Beside those of gateways:
 *
 * - `unreachable`: no gateway answered within the deadline;
 * - `cancelled`: the caller's signal ended the call;
 * - `bad-answer`: what answered was no gateway of Berth, or a newer one that this client does not understand;
 * - `invalid-option`: an option of this client is wrong;
 * - `journal-unwritable`: the file of a node for what could not be delivered;
 * - `too-much-kept`: so much waits for delivery that no more is kept.
 */
export type ErrorCode =
  ProblemCode | 'unreachable' | 'cancelled' | 'bad-answer' | 'invalid-option' | 'too-much-kept' | 'journal-unwritable';

/** A failure: Berth could not do what was asked. A refusal is none; it is returned as a value. */
export class BerthError extends Error {
  override readonly name: string = 'BerthError';

  constructor(
    /** Stable; what to do depends on this alone. */
    readonly code: ErrorCode,
    message: string,
    /** The answer of the gateway, where one answered. */
    readonly problem: Problem | null = null,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

/** The request, or an option, is wrong, and stays wrong: `errors` names each field. */
export class InvalidRequestError extends BerthError {
  override readonly name = 'InvalidRequestError';

  get errors(): readonly { path: string; message: string }[] {
    return this.problem?.errors ?? [];
  }
}

/**
 * Nothing was decided before the deadline: no gateway answered (`unreachable`, `cancelled`), or those that did cannot serve
 * (`store-unavailable`, `too-many-requests` …). The same call may be made again.
 */
export class UnavailableError extends BerthError {
  override readonly name = 'UnavailableError';
  /** What a SIP server should answer its caller. */
  readonly sip: { code: number; reason: string };

  constructor(
    code: ErrorCode,
    message: string,
    /** Whether the call may have had its effect although nobody heard of it. */
    readonly inDoubt: boolean,
    problem: Problem | null = null,
    /** After so long there is a better chance, where a gateway named a time; milliseconds. */
    readonly retryAfterMs: number | null = null,
    options: { cause?: unknown } = {},
  ) {
    super(code, message, problem, options);
    this.sip = problem?.sip ?? UNAVAILABLE;
  }

  /** Whether a gateway answered at all. */
  get answered(): boolean {
    return this.problem !== null;
  }
}

export const UNAVAILABLE = { code: 503, reason: 'Service Unavailable' } as const;
