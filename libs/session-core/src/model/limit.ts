/** What one limit said at the moment of a decision. */
export interface LimitState {
  scope: LimitScope;
  /** The user, the group or the address; `*` for the total. */
  key: string;
  /** 0: unlimited. */
  max: number;
  active: number;
}

/** The kinds of limit, in the order in which a refusal is named. */
export const LIMIT_SCOPES = ['user', 'group', 'ip', 'total'] as const;
export type LimitScope = (typeof LIMIT_SCOPES)[number];

export const LIMIT_ACTIONS = ['reject', 'terminate_oldest'] as const;
export type LimitAction = (typeof LIMIT_ACTIONS)[number];

/**
 * One layer of a tenant's limits: what the file says, or what the API says. Absent means "not said here".
 * A limit of zero or below is unlimited.
 */
export interface LimitsLayer {
  enabled?: boolean | undefined;
  maxSessionsPerUser?: number | undefined;
  action?: LimitAction | undefined;
  /** Overrides by canonical user name. */
  users?: Record<string, number> | undefined;
}

/**
 * The limits of a tenant: one document, changed by compare-and-set on `version`.
 * What the API says wins over what the file says, which wins over the defaults.
 */
export interface LimitsDocument {
  version: number;
  file: LimitsLayer;
  api: LimitsLayer;
  /** Who published the file layer, for the warning when two processes have different files. */
  publishedBy: string | null;
}

/** The limits in force: the layers of a document resolved. */
export interface EffectiveLimits {
  version: number;
  enabled: boolean;
  maxSessionsPerUser: number;
  action: LimitAction;
  users: Record<string, number>;
}

export const DEFAULT_LIMITS = { enabled: true, maxSessionsPerUser: 5, action: 'reject' } as const;

/** Resolves the layers; the API's word wins, key by key. */
export function effectiveLimits(document: LimitsDocument): EffectiveLimits {
  const { file, api } = document;
  return {
    version: document.version,
    enabled: api.enabled ?? file.enabled ?? DEFAULT_LIMITS.enabled,
    maxSessionsPerUser: api.maxSessionsPerUser ?? file.maxSessionsPerUser ?? DEFAULT_LIMITS.maxSessionsPerUser,
    action: api.action ?? file.action ?? DEFAULT_LIMITS.action,
    users: { ...file.users, ...api.users },
  };
}

/** The limit of one user; 0 is unlimited, whatever the sign it was written with. */
export function limitOf(limits: EffectiveLimits, user: string): number {
  const own = Object.hasOwn(limits.users, user) ? limits.users[user] : undefined;
  return Math.max(0, own ?? limits.maxSessionsPerUser);
}
