import {
  groupParts,
  type GroupKindLimits,
  type LimitAction,
  type LimitDetails,
  type LimitKey,
  type LimitOrigin,
  type LimitsDocument,
  type LimitsLayer,
  type Rate,
  type Reserve,
} from '#session-core';

import { edited, own, withDetails, without } from './layer.js';

/** What a change is made on. */
export type Layers = Pick<LimitsDocument, 'file' | 'api'>;

/** What `PUT /limits` says; absent is unchanged. */
export interface SettingsChange {
  enabled?: boolean | undefined;
  maxSessionsPerUser?: number | undefined;
  action?: LimitAction | undefined;
  maxTotalSessions?: number | undefined;
  totalAction?: LimitAction | undefined;
  maxSessionsPerIpPerHour?: number | undefined;
  /** Null: none, whatever the file says. */
  userRate?: Rate | null | undefined;
  alertThreshold?: number | undefined;
  /** Null: what the file says. */
  classes?: Record<string, number | null> | undefined;
  /** All limits that are only measured. */
  observe?: LimitKey[] | undefined;
  /** Null: none, whatever the file says. */
  reserves?: Record<LimitKey, Reserve | null> | undefined;
}

export interface KindChange {
  default?: number | undefined;
  action?: LimitAction | undefined;
  rate?: Rate | null | undefined;
}

export interface GroupChange {
  limit?: number | undefined;
  parent?: string | null | undefined;
  rate?: Rate | null | undefined;
  observe?: boolean | undefined;
  reserve?: Reserve | null | undefined;
}

/** What stands for "none" where the file may say a rate. */
export const NO_RATE: Rate = { perSecond: 0, burst: 1 };

/** The limits about which these settings say something. */
export function keysOf({ file, api }: Layers, change: SettingsChange): LimitKey[] {
  const keys = new Set<LimitKey>(Object.keys(change.reserves ?? {}));
  if ((change.maxSessionsPerUser ?? change.action ?? change.userRate) !== undefined || change.userRate === null)
    keys.add('user');
  if ((change.maxTotalSessions ?? change.totalAction) !== undefined) keys.add('total');
  if (change.maxSessionsPerIpPerHour !== undefined) keys.add('ip');
  for (const name of Object.keys(change.classes ?? {})) keys.add(`class:${name}`);
  if (change.observe !== undefined) {
    const wanted = new Set(change.observe);
    const known = new Set([...wanted, ...Object.keys(file.details ?? {}), ...Object.keys(api.details ?? {})]);
    for (const key of known) if (isObserved({ file, api }, key) !== wanted.has(key)) keys.add(key);
  }
  return [...keys];
}

export function withSettings(layers: Layers, change: SettingsChange, origin: LimitOrigin): LimitsLayer {
  const { classes, observe, reserves, userRate, ...settings } = change;
  const next: LimitsLayer = {
    ...layers.api,
    ...settings,
    ...(userRate !== undefined && { userRate: userRate ?? NO_RATE }),
    ...(classes !== undefined && { classes: edited(layers.api.classes, Object.entries(classes)) }),
  };
  const patches = keysOf(layers, change).map((key): [LimitKey, Partial<LimitDetails>] => {
    if (own(classes, classOf(key)) === null) return [key, NOTHING];
    const patch: Partial<LimitDetails> = { origin };
    if (observe !== undefined) patch.observe = observed(layers, key, observe.includes(key));
    if (reserves !== undefined && Object.hasOwn(reserves, key)) {
      patch.reserve = reserved(layers, key, reserves[key] ?? null);
    }
    return [key, patch];
  });
  return withDetails(next, patches);
}

/** The settings of the file hold again. Those of single users and of groups stay: each has a call of its own. */
export function withoutSettings({ api }: Layers): LimitsLayer {
  const { users, userClasses = {}, groups, details = {} } = api;
  // A class that users were put into by the API goes with the last of them.
  const inUse = new Set(Object.values(userClasses));
  const classes = Object.fromEntries(Object.entries(api.classes ?? {}).filter(([name]) => inUse.has(name)));
  const kept = Object.entries(details).filter(([key]) => /^(user|kind|group):/.test(key));
  return without({ users, userClasses, classes, groups, details: Object.fromEntries(kept) });
}

export function withUser({ api }: Layers, user: string, limit: number, origin: LimitOrigin): LimitsLayer {
  return withDetails({ ...api, users: edited(api.users, [[user, limit]]) }, [[`user:${user}`, { origin }]]);
}

/** What the API says of the limit of a user goes, also that it is observed or temporary. */
export function withoutUser({ api }: Layers, user: string): LimitsLayer {
  return withDetails({ ...api, users: edited(api.users, [[user, null]]) }, [[`user:${user}`, NOTHING]]);
}

export function withClass({ api }: Layers, user: string, ofClass: string | null, origin: LimitOrigin): LimitsLayer {
  if (ofClass === null && !Object.hasOwn(api.userClasses ?? {}, user)) return api;
  const userClasses = edited(api.userClasses, [[user, ofClass]]);
  const ofItsOwn = ofClass !== null || Object.hasOwn(api.users ?? {}, user);
  return withDetails({ ...api, userClasses }, [[`user:${user}`, { origin: ofItsOwn ? origin : undefined }]]);
}

export function withKind({ api }: Layers, kind: string, change: KindChange, origin: LimitOrigin): LimitsLayer {
  const { rate, ...settings } = change;
  const next = { ...settings, ...(rate !== undefined && { rate: rate ?? NO_RATE }) };
  return withDetails(inKind(api, kind, next), [[`kind:${kind}`, { origin }]]);
}

const WITHIN_NONE = '';

/** What the file says of the kind holds again. Single groups stay as they are. */
export function withoutKind({ api }: Layers, kind: string): LimitsLayer {
  const settings = { default: undefined, action: undefined, rate: undefined };
  return withDetails(inKind(api, kind, settings), [[`kind:${kind}`, NOTHING]]);
}

export function withGroup(layers: Layers, group: string, change: GroupChange, origin: LimitOrigin): LimitsLayer {
  const { kind, name } = groupParts(group);
  const { limit, parent, rate, observe, reserve } = change;
  const [ofFile, ofApi] = [own(layers.file.groups, kind), own(layers.api.groups, kind)];
  // Null takes the API's word back, but what the file says is lifted by saying that there is none.
  const none = own(ofFile?.parents, name) === undefined ? null : WITHIN_NONE;
  const next: GroupKindLimits = {
    ...(limit !== undefined && { overrides: edited(ofApi?.overrides, [[name, limit]]) }),
    ...(parent !== undefined && { parents: edited(ofApi?.parents, [[name, parent ?? none]]) }),
    ...(rate !== undefined && { rates: edited(ofApi?.rates, [[name, rate ?? NO_RATE]]) }),
  };
  const key = `group:${group}`;
  const patch: Partial<LimitDetails> = { origin };
  if (observe !== undefined) patch.observe = observed(layers, key, observe);
  if (reserve !== undefined) patch.reserve = reserved(layers, key, reserve);
  return withDetails(inKind(layers.api, kind, next), [[key, patch]]);
}

export function withoutGroup({ api }: Layers, group: string): LimitsLayer {
  const { kind, name } = groupParts(group);
  const { overrides, parents, rates } = own(api.groups, kind) ?? {};
  const gone = <T>(entries: Record<string, T> | undefined) => edited(entries, [[name, null]]);
  const next = { overrides: gone(overrides), parents: gone(parents), rates: gone(rates) };
  return withDetails(inKind(api, kind, next), [[`group:${group}`, NOTHING]]);
}

/** The class of `class:gold`; null of another key. */
const classOf = (key: LimitKey) => (key.startsWith('class:') ? key.slice('class:'.length) : null);

const NOTHING = { observe: undefined, reserve: undefined, temporary: undefined, origin: undefined };

/** The layer with these limits of a kind; what is undefined goes. */
export function inKind(api: LimitsLayer, kind: string, change: GroupKindLimits): LimitsLayer {
  const next = without({ ...own(api.groups, kind), ...change });
  return { ...api, groups: edited(api.groups, [[kind, Object.keys(next).length === 0 ? null : next]]) };
}

function isObserved({ file, api }: Layers, key: LimitKey): boolean {
  return own(api.details, key)?.observe ?? own(file.details, key)?.observe ?? false;
}

/** What the API has to say so that the limit is observed, or is not. */
function observed({ file }: Layers, key: LimitKey, observe: boolean): boolean | undefined {
  return observe === (own(file.details, key)?.observe ?? false) ? undefined : observe;
}

function reserved({ file }: Layers, key: LimitKey, reserve: Reserve | null): Reserve | undefined {
  const ofFile = own(file.details, key)?.reserve;
  if (reserve !== null) return reserve;
  return ofFile === undefined || ofFile.places <= 0 ? undefined : { ...ofFile, places: 0 };
}
