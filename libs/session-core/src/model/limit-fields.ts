import { escapeKeyPart } from '../keys.js';
import type { Rate } from './limit.js';
import type { EffectiveLimits } from './limits-document.js';

/** In place of a number: the limit has details, and `more:<field>` tells them. A decision that meets it looks closely. */
const CLOSELY = '?';

/**
 * The limits as a shard keeps them for `admit.lua`, a flat hash: one field a limit, so that a decision reads the few that concern it.
 * `mark` is that of the identity rules by which they name users; `complete` comes last, so that a half-filled copy is never taken.
 */
export function limitFields(limits: EffectiveLimits, mark = ''): [string, string | number][] {
  const fields = new Map<string, string | number>([
    [`version${mark}`, limits.version],
    ['enabled', limits.enabled ? 1 : 0],
    ['action', limits.action],
    ['total_action', limits.totalAction],
    ['user', limits.maxSessionsPerUser],
    ['total', limits.maxTotalSessions],
  ]);
  for (const [name, max] of Object.entries(limits.classes)) fields.set(`class:${name}`, max);
  for (const [user, ofClass] of Object.entries(limits.userClasses)) {
    const max = Object.hasOwn(limits.classes, ofClass) ? limits.classes[ofClass] : undefined;
    if (max !== undefined) fields.set(`user:${user}`, max);
  }
  for (const [user, max] of Object.entries(limits.users)) fields.set(`user:${user}`, max);
  for (const [kind, group] of Object.entries(limits.groups)) {
    const nameOf = (name: string) => escapeKeyPart(`${kind}:${name}`);
    fields.set(`kind:${kind}`, group.default);
    fields.set(`kind_action:${kind}`, group.action);
    for (const [name, max] of Object.entries(group.overrides)) fields.set(`group:${nameOf(name)}`, max);
    for (const [name, parent] of Object.entries(group.parents)) fields.set(`parent:${nameOf(name)}`, parent);
    if (group.rate !== undefined) fields.set(`kind_rate:${kind}`, rateField(group.rate));
    for (const [name, rate] of Object.entries(group.rates)) fields.set(`group_rate:${nameOf(name)}`, rateField(rate));
  }
  if (limits.totalAction === 'terminate_oldest') fields.set('by_start', 1);
  addDetails(fields, limits.details);
  shareDetailsOfClasses(fields, limits);
  addRates(fields, limits);
  fields.set('complete', 1);
  return [...fields];
}

function addDetails(fields: Map<string, string | number>, details: EffectiveLimits['details']): void {
  for (const [key, { observe, reserve, temporary }] of Object.entries(details)) {
    const written = {
      ...(observe === true && { observe }),
      ...(reserve !== undefined &&
        reserve.places > 0 && { reserve: { ...reserve, key: escapeKeyPart(reserve.group) } }),
      ...(temporary !== undefined && { temporary: { max: Math.max(0, temporary.max), untilMs: temporary.untilMs } }),
    };
    if (Object.keys(written).length === 0) continue;
    const field = key.startsWith('group:') ? `group:${escapeKeyPart(key.slice('group:'.length))}` : key;
    const max = fields.get(field);
    fields.set(`more:${field}`, JSON.stringify({ ...written, ...(max !== undefined && { max }) }));
    if (field !== 'ip') fields.set(field, CLOSELY);
  }
}

/** Who is of a class by the tenant's word has the details of its limit as well, where there is no limit of the user's own. */
function shareDetailsOfClasses(fields: Map<string, string | number>, { users, userClasses }: EffectiveLimits): void {
  for (const [user, ofClass] of Object.entries(userClasses)) {
    const ofItsClass = fields.get(`more:class:${ofClass}`);
    if (ofItsClass === undefined || Object.hasOwn(users, user)) continue;
    const own = JSON.parse(String(fields.get(`more:user:${user}`) ?? '{}')) as object;
    fields.set(`user:${user}`, CLOSELY);
    fields.set(`more:user:${user}`, JSON.stringify({ ...(JSON.parse(String(ofItsClass)) as object), ...own }));
  }
}

function addRates(fields: Map<string, string | number>, limits: EffectiveLimits): void {
  if (limits.maxSessionsPerIpPerHour > 0) fields.set('ip', limits.maxSessionsPerIpPerHour);
  if (limits.userRate !== null) fields.set('user_rate', rateField(limits.userRate));
  if (limits.alertThreshold > 0) fields.set('alert', limits.alertThreshold);
  const rated = ['ip', 'user_rate', 'alert'].some((field) => fields.has(field));
  const groupsRated = [...fields.keys()].some(
    (field) => field.startsWith('kind_rate:') || field.startsWith('group_rate:'),
  );
  if (rated || groupsRated) fields.set('rated', 1);
}

/** Milliseconds from one call to the next, and how many may come at once; 0 calls per second is no rate. */
function rateField({ perSecond, burst }: Rate): string {
  return perSecond <= 0 ? '0 0' : `${1_000 / perSecond} ${burst}`;
}
