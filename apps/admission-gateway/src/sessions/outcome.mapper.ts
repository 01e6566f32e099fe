import { ProblemException } from '#service-kit';
import type { Session, SessionOutcome } from '#session-core';

/** The session, if it lives. Throws `session-ended` (410: hang up) or `session-unknown` (404: keep the call). */
export function liveSession(outcome: SessionOutcome): Session {
  if (outcome.kind === 'live') return outcome.session;
  if (outcome.kind === 'unknown') throw sessionUnknown();
  throw new ProblemException('session-ended', 'The session has ended; its place may be taken: hang up');
}

export function sessionUnknown(): ProblemException {
  return new ProblemException(
    'session-unknown',
    'No session has this id; a call that lives is admitted anew by POST /v1/sessions',
  );
}
