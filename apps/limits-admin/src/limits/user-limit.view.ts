import { userLimit } from './in-force.js';
import type { CurrentLimits } from './limits.service.js';
import { own } from './layer.js';
import { originView, temporaryView, type OriginView, type TemporaryView } from './limits.view.js';

export interface UserLimitView {
  /** 0: unlimited. */
  limit: number;
  class?: string;
  temporary?: TemporaryView;
  origin?: OriginView;
}

/**
 * The limit of a user that is in force, 0 for unlimited; and where there is one the class that the tenant gave, the temporary limit that holds, and
 * who has set the user's own limit.
 */
export function userLimitView({ limits, nowMs }: Omit<CurrentLimits, 'document'>, user: string): UserLimitView {
  const { max, temporary } = userLimit(limits, user, nowMs);
  const lent = temporaryView(temporary, nowMs);
  const ofClass = own(limits.userClasses, user);
  const origin = own(limits.details, `user:${user}`)?.origin;
  return {
    limit: max,
    ...(ofClass !== undefined && { class: ofClass }),
    ...(lent !== null && { temporary: lent }),
    ...(origin !== undefined && { origin: originView(origin) }),
  };
}
