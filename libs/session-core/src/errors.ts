import type { StoreFaultCode } from './store-fault.js';

/** Every failure of Berth has a stable `code`; the table in service-kit gives it an HTTP status and a log level. */
export abstract class BerthError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Redis is not connected, so nothing was sent; `cause` is why, as far as that is known. */
export class NotConnectedError extends Error {}

/**
 * Redis gave no answer within the decision deadline, or answered that it cannot serve, so nothing is known to be decided.
 *
 * The session holds no place unless the same session id is retried and admitted. `message` is for the caller: it names cause and remedy, and
 * neither addresses nor users.
 */
export class StoreUnavailableError extends BerthError {
  readonly code = 'store-unavailable';

  constructor(message: string, options?: ErrorOptions & { nothingDone?: boolean; fault?: StoreFaultCode }) {
    super(message, options);
    this.nothingDone = options?.nothingDone ?? false;
    this.fault = options?.fault ?? null;
  }

  /** What Redis answered or did; null where the reason is not with Redis. */
  readonly fault: StoreFaultCode | null;

  /** Whether Redis serves nobody now; false where it serves, and refuses one key (a foreign type) or one command (a right that is lacking). */
  get isAway(): boolean {
    return this.fault !== 'WRONGTYPE' && this.fault !== 'NOPERM';
  }

  /** True where it is certain that the call was not carried out and will not be: it was never sent, or refused as a whole. */
  readonly nothingDone: boolean;
}

/** The books of the tenant are not this process's to use, now or at all: nothing was done. The message says why, to callers too. */
export class TenantClosedError extends StoreUnavailableError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, { ...options, nothingDone: true });
  }
}

/** Input that the domain refuses: `path` names the field in the caller's own words, `message` says what to send instead. */
export class InvalidInputError extends BerthError {
  readonly code = 'invalid-request';

  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message);
  }
}

/** The id lives in more than one shard of the tenant; the caller has to name the user. */
export class AmbiguousSessionError extends BerthError {
  readonly code = 'ambiguous-session';

  constructor(sessionId: string) {
    super(`Session ${sessionId} is live for several users; name the user with ?user=`);
  }
}

/** The limits document was changed by others again and again while this change was tried. */
export class LimitsConflictError extends BerthError {
  readonly code = 'limits-conflict';
}

/** A script and this process disagree on the shape of a reply or a record: a programming error or a foreign writer. */
export class CorruptReplyError extends BerthError {
  readonly code = 'internal-error';
}
