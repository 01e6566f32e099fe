/** One limit at the moment of a decision. */
export interface LimitState {
  scope: LimitScope;
  /** The user, the group (`kind:name`) or the address; `*` for the total. */
  key: string;
  /** 0: unlimited. */
  max: number;
  active: number;
  /** Of `max`, the places that are kept free for the limit's reserve at this moment; absent where there are none. */
  reserved?: number;
  /** True where the limit is only measured: it was full and refused nobody. */
  observed?: true;
  /** Of a rate: after so many milliseconds there is room again. */
  retryAfterMs?: number;
}

/** Limits as scripts write them. What each does when it is full (`action`) is for the stream of refusals; no answer shows it. */
export function readLimitStates(json: string): LimitState[] {
  const limits = JSON.parse(json) as (LimitState & { action?: LimitAction })[];
  return limits.map(({ action: _action, ...limit }) => limit);
}

/** The kinds of limit, in the order in which a refusal is named. */
export const LIMIT_SCOPES = ['user', 'group', 'ip', 'total'] as const;
export type LimitScope = (typeof LIMIT_SCOPES)[number];

export const LIMIT_ACTIONS = ['reject', 'terminate_oldest'] as const;
export type LimitAction = (typeof LIMIT_ACTIONS)[number];

/** Calls per second, with bursts: `burst` calls may come at once, then one each `1 / perSecond` seconds (GCRA, ITU-T I.371). */
export interface Rate {
  perSecond: number;
  burst: number;
}

/** Places of a limit that only the sessions of a group may take. */
export interface Reserve {
  /** `kind:name`; emergency sessions are in the group `priority:emergency` by themselves. */
  group: string;
  places: number;
}

/** A limit that holds until a moment, and then gives way to what it covers. */
export interface TemporaryLimit {
  /** 0: unlimited. */
  max: number;
  untilMs: number;
  /** Who has set it; the limit that it covers has an origin of its own. */
  origin?: LimitOrigin | undefined;
}

/** Who has set a limit through the API, when and why. */
export interface LimitOrigin {
  by: string;
  atMs: number;
  reason: string | null;
}

/** What a limit may have beside its number. */
export interface LimitDetails {
  /** Measured and shown, but never a reason to refuse. */
  observe?: boolean | undefined;
  reserve?: Reserve | undefined;
  temporary?: TemporaryLimit | undefined;
  origin?: LimitOrigin | undefined;
}

/** The group that every emergency session is in; nobody may name its kind. */
export const EMERGENCY_GROUP = 'priority:emergency';
export const EMERGENCY_KIND = 'priority';

/** Named by a session itself. Parents come on top. */
export const MAX_GROUPS = 8;
/** How far up a group's parents may go: a trunk within a carrier within a region within a country. */
export const MAX_ANCESTORS = 4;

/** The reserve of a group is counted one session at a time, so such a group is bounded (10,000 look-ups take 1 ms). */
export const MAX_WITH_RESERVE = 10_000;
