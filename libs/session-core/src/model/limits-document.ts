import type { BooksIdentity } from './identity/index.js';
import type { LimitAction, LimitDetails, Rate } from './limit.js';
import type { LimitKey } from './limit-key.js';
import type { LimitsChange } from './limits-change.js';

/** The settings of the groups of one kind. Absent means that this layer says nothing. */
export interface GroupKindLimits {
  /** Of each group without one of its own. */
  default?: number | undefined;
  action?: LimitAction | undefined;
  /** By name of the group. */
  overrides?: Record<string, number> | undefined;
  /** By name: the group (`kind:name`) that this one is within, '' for none; a session of this one is in that one too. */
  parents?: Record<string, string> | undefined;
  rate?: Rate | undefined;
  /** By name. */
  rates?: Record<string, Rate> | undefined;
}

/**
 * One layer of a tenant's limits: what the file says, or what the API says. Absent means that this layer says nothing.
 * A limit of zero or below is unlimited.
 */
export interface LimitsLayer {
  enabled?: boolean | undefined;
  maxSessionsPerUser?: number | undefined;
  /** At the limit of a user. */
  action?: LimitAction | undefined;
  /** Overrides by canonical user name. */
  users?: Record<string, number> | undefined;
  /** Limits of the users of a class. */
  classes?: Record<string, number> | undefined;
  /** The class of a user, by canonical name; it wins over what an admission says. */
  userClasses?: Record<string, string> | undefined;
  maxTotalSessions?: number | undefined;
  totalAction?: LimitAction | undefined;
  /** By kind. */
  groups?: Record<string, GroupKindLimits> | undefined;
  maxSessionsPerIpPerHour?: number | undefined;
  /** Of each user. */
  userRate?: Rate | undefined;
  /** New sessions within an hour above which an alert is raised. */
  alertThreshold?: number | undefined;
  details?: Record<LimitKey, LimitDetails> | undefined;
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
  /** The latest ones, oldest first, for the outbox. */
  changes?: LimitsChange[];
  /** By which rules users are named, where those rules were changed. */
  identity?: BooksIdentity;
}

export interface EffectiveGroupKind extends GroupKindLimits {
  default: number;
  action: LimitAction;
  overrides: Record<string, number>;
  parents: Record<string, string>;
  rates: Record<string, Rate>;
}

/** The limits in force: the layers of a document resolved. */
export interface EffectiveLimits {
  version: number;
  enabled: boolean;
  maxSessionsPerUser: number;
  action: LimitAction;
  users: Record<string, number>;
  classes: Record<string, number>;
  userClasses: Record<string, string>;
  maxTotalSessions: number;
  totalAction: LimitAction;
  groups: Record<string, EffectiveGroupKind>;
  maxSessionsPerIpPerHour: number;
  userRate: Rate | null;
  alertThreshold: number;
  details: Record<LimitKey, LimitDetails>;
}

export const DEFAULT_LIMITS = { enabled: true, maxSessionsPerUser: 5, action: 'reject' } as const;

/** Resolves the layers; the API's word wins, key by key. A rate of zero per second is none. */
export function effectiveLimits({
  version,
  file,
  api,
}: Pick<LimitsDocument, 'version' | 'file' | 'api'>): EffectiveLimits {
  const kinds = new Set([...Object.keys(file.groups ?? {}), ...Object.keys(api.groups ?? {})]);
  return {
    version,
    enabled: api.enabled ?? file.enabled ?? DEFAULT_LIMITS.enabled,
    maxSessionsPerUser: api.maxSessionsPerUser ?? file.maxSessionsPerUser ?? DEFAULT_LIMITS.maxSessionsPerUser,
    action: api.action ?? file.action ?? DEFAULT_LIMITS.action,
    users: { ...file.users, ...api.users },
    classes: { ...file.classes, ...api.classes },
    userClasses: { ...file.userClasses, ...api.userClasses },
    maxTotalSessions: api.maxTotalSessions ?? file.maxTotalSessions ?? 0,
    totalAction: api.totalAction ?? file.totalAction ?? 'reject',
    groups: Object.fromEntries(
      [...kinds].map((kind) => [kind, effectiveKind(own(file.groups, kind) ?? {}, own(api.groups, kind) ?? {})]),
    ),
    maxSessionsPerIpPerHour: api.maxSessionsPerIpPerHour ?? file.maxSessionsPerIpPerHour ?? 0,
    userRate: rateOrNull(api.userRate ?? file.userRate),
    alertThreshold: api.alertThreshold ?? file.alertThreshold ?? 0,
    details: mergedDetails(file.details ?? {}, api.details ?? {}),
  };
}

/** The limit of one user as long as no temporary one is in force; 0 is unlimited. `userClass` is what an admission says of the user. */
export function limitOf(limits: EffectiveLimits, user: string, userClass?: string): number {
  const ofClass = own(limits.userClasses, user) ?? userClass;
  const classLimit = ofClass === undefined ? undefined : own(limits.classes, ofClass);
  return Math.max(0, own(limits.users, user) ?? classLimit ?? limits.maxSessionsPerUser);
}

/** The limit of one group (`kind:name`) as long as no temporary one is in force; 0 is unlimited. */
export function limitOfGroup(limits: EffectiveLimits, kind: string, name: string): number {
  const ofKind = own(limits.groups, kind);
  return Math.max(0, ofKind === undefined ? 0 : (own(ofKind.overrides, name) ?? ofKind.default));
}

/** The groups that a group is within, nearest first; at most as many as a tenant has groups, even where parents form a cycle. */
export function ancestorsOf(limits: Pick<EffectiveLimits, 'groups'>, group: string): string[] {
  const found: string[] = [];
  for (let at = parentOf(limits, group); at !== undefined && !found.includes(at); at = parentOf(limits, at))
    found.push(at);
  return found;
}

function parentOf({ groups }: Pick<EffectiveLimits, 'groups'>, group: string): string | undefined {
  const at = group.indexOf(':');
  return own(own(groups, group.slice(0, at))?.parents, group.slice(at + 1));
}

function effectiveKind(file: GroupKindLimits, api: GroupKindLimits): EffectiveGroupKind {
  const rate = rateOrNull(api.rate ?? file.rate);
  const rates = Object.entries({ ...file.rates, ...api.rates });
  return {
    default: api.default ?? file.default ?? 0,
    action: api.action ?? file.action ?? 'reject',
    overrides: { ...file.overrides, ...api.overrides },
    // Empty: within none, whatever the file says.
    parents: Object.fromEntries(
      Object.entries({ ...file.parents, ...api.parents }).filter(([, parent]) => parent !== ''),
    ),
    ...(rate !== null && { rate }),
    rates: Object.fromEntries(rates),
  };
}

function mergedDetails(file: Record<LimitKey, LimitDetails>, api: Record<LimitKey, LimitDetails>) {
  const keys = new Set([...Object.keys(file), ...Object.keys(api)]);
  return Object.fromEntries([...keys].map((key) => [key, { ...own(file, key), ...own(api, key) }]));
}

function rateOrNull(rate: Rate | undefined): Rate | null {
  return rate === undefined || rate.perSecond <= 0 ? null : rate;
}

function own<T>(record: Record<string, T> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}
