import { effectiveLimits, type LimitAction, type LimitsDocument, type LimitsLayer } from '#session-core';

/** Which layer the word in force comes from: the highest one that says anything. */
export type LimitsSource = 'api' | 'file' | 'default';

/** The limits of a tenant as `GET /limits` shows them; the names are those that callers know. 0: unlimited. */
export interface LimitsView {
  enabled: boolean;
  enable_session_limits: boolean;
  max_sessions_per_user: number;
  session_limit_action: LimitAction;
  /** By user; `_default` stands for everybody else. */
  user_limits: Record<string, number>;
  source: LimitsSource;
}

export function limitsView(document: LimitsDocument): LimitsView {
  const { enabled, maxSessionsPerUser, action } = effectiveLimits(document);
  const standard = Math.max(0, maxSessionsPerUser);
  return {
    enabled,
    enable_session_limits: enabled,
    max_sessions_per_user: standard,
    session_limit_action: action,
    user_limits: { _default: standard, ...overridesOf(document) },
    source: saysAnything(document.api) ? 'api' : saysAnything(writtenLayer(document.file)) ? 'file' : 'default',
  };
}

/** The users with a limit of their own, set by API or file; 0: unlimited. */
export function overridesOf({ file, api }: LimitsDocument): Record<string, number> {
  const users = { ...writtenLayer(file).users, ...api.users };
  return Object.fromEntries(Object.entries(users).map(([user, limit]) => [user, Math.max(0, limit)]));
}

const ANONYMOUS = 'anonymous';

/** The file layer without the unlimited anonymous user, who is there though no file named him. */
function writtenLayer(file: LimitsLayer): LimitsLayer {
  const users = Object.entries(file.users ?? {}).filter(([user, limit]) => user !== ANONYMOUS || limit > 0);
  return { ...file, users: Object.fromEntries(users) };
}

function saysAnything({ users = {}, ...settings }: LimitsLayer): boolean {
  return Object.keys(users).length > 0 || Object.values(settings).some((value) => value !== undefined);
}
