import type { BerthConfig, TenantConfig } from '#config';
import { ProblemException } from '#service-kit';
import { canonicalUser, InvalidInputError, type Session, type TransferOutcome } from '#session-core';

import { problemOfDecision } from './decision.mapper.js';
import { liveSession } from './outcome.mapper.js';

/** The canonical form of the field `user`. Throws InvalidInputError. */
export function userOf(written: string, { identity }: TenantConfig): string {
  const canonical = canonicalUser(written, identity);
  if (canonical.ok) return canonical.user;
  throw new InvalidInputError('user', canonical.message);
}

/** The session as it was handed over; everything else is a problem. */
export function handedOver(outcome: TransferOutcome, sip: BerthConfig['sip']): Session {
  switch (outcome.kind) {
    case 'rejected':
    case 'stale-epoch':
    case 'node-draining':
      throw problemOfDecision(outcome, sip);
    case 'id-conflict':
      throw new ProblemException('session-id-conflict', 'This session has authenticated as another user');
    case 'new-id-taken':
      throw new ProblemException('session-id-conflict', 'Another session lives under the id that this one is to have');
    case 'new-id-ended':
      throw new ProblemException(
        'session-ended',
        'A session has ended under the id that this one is to have; choose another',
        {
          status: 409,
        },
      );
    default:
      return liveSession(outcome);
  }
}
