import { RpcException } from '@nestjs/microservices';

/**
 * Thrown by a handler whose event can never be applied (malformed, contradictory): it goes to the dead-letter stream at once,
 * with this reason, and is not delivered again.
 */
export class DeadLetterError extends RpcException {
  readonly code = 'dead-letter';

  constructor(readonly reason: string) {
    super(reason);
  }

  /** Nest's exception filters pass on what this returns: the error itself, so that the server still knows it. */
  override getError(): object {
    return this;
  }
}

/** Options that contradict themselves or are out of bounds; thrown by the constructor that was given them. */
export class InvalidOptionsError extends Error {
  readonly code = 'invalid-options';
}

/** Redis gave no answer in time. Whether the command took effect is not known. */
export class NoAnswerError extends Error {
  readonly code = 'no-answer';

  constructor(afterMs: number) {
    super(`Redis gave no answer within ${afterMs} ms`);
  }
}

/** The server was closed while a command waited. */
export class ClosedError extends Error {
  readonly code = 'closed';

  constructor() {
    super('The connection was closed');
  }
}

/** An error's message, whatever was thrown. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return String(error);
}
