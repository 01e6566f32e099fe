import type { IdentityRules } from './identity/index.js';
import type { LimitDetails } from './limit.js';
import { effectiveLimits, limitOf, type LimitsDocument, type LimitsLayer } from './limits-document.js';

/** The names that a user of a limit has under other rules: at least one. */
export type NamesOf = (user: string) => readonly string[];

/** Limits of the API that became those of one user; the smaller holds. 0 is unlimited. */
export interface CollidingLimits {
  user: string;
  /** By the names that they were set for. */
  limits: { user: string; max: number }[];
  holds: number;
}

const OF_USER = 'user:';

/** What a layer says of one user. */
interface OfUser {
  was: string;
  max: number;
  limit?: number;
  userClass?: string;
  details?: LimitDetails;
}

/** The users of whom a document says something. */
export function limitedUsers({ file = {}, api }: Partial<Pick<LimitsDocument, 'file' | 'api'>>): ReadonlySet<string> {
  return new Set([file, api ?? {}].flatMap((layer) => [...settingsOfUsers(layer).keys()]));
}

/** The document with users named by other rules, and which limits of its API layer collided. One that is named so already stays as it is. */
export function rekeyedLimits(
  document: LimitsDocument,
  namesOf: NamesOf,
  { case: letters, domain }: IdentityRules,
): { document: LimitsDocument; colliding: CollidingLimits[] } {
  const known = document.identity;
  if (document.version === 0 || (known?.case === letters && known.domain === domain))
    return { document, colliding: [] };
  const colliding: CollidingLimits[] = [];
  const { file, api } = document;
  const rekeyed = {
    ...document,
    file: rekeyedLayer(file, document, namesOf, []),
    api: rekeyedLayer(api, document, namesOf, colliding),
    identity: { case: letters, domain },
  };
  return { document: rekeyed, colliding };
}

function rekeyedLayer(
  layer: LimitsLayer,
  { version, file, api }: LimitsDocument,
  namesOf: NamesOf,
  colliding: CollidingLimits[],
): LimitsLayer {
  const inForce = effectiveLimits({ version, file, api });
  const byName = new Map<string, OfUser[]>();
  for (const [user, own] of settingsOfUsers(layer)) {
    const ofUser = { ...own, was: user, max: own.limit ?? limitOf(inForce, user) };
    for (const name of namesOf(user)) byName.set(name, [...(byName.get(name) ?? []), ofUser]);
  }
  const kept = [...byName].map(([user, candidates]): [string, OfUser] => {
    const [smallest = candidates[0]!] = candidates.toSorted((a, b) => height(a.max) - height(b.max));
    const distinct = candidates.filter(({ was }) => was !== user || candidates.length > 1);
    if (new Set(distinct.map(({ was }) => was)).size > 1) {
      const limits = candidates.map(({ was, max }) => ({ user: was, max: Math.max(0, max) }));
      colliding.push({ user, limits, holds: Math.max(0, smallest.max) });
    }
    return [user, smallest];
  });
  return withUsers(layer, kept);
}

/** Unlimited is the largest of all. */
function height(max: number): number {
  return max <= 0 ? Infinity : max;
}

function settingsOfUsers({ users = {}, userClasses = {}, details = {} }: LimitsLayer) {
  const found = new Map<string, Pick<OfUser, 'limit' | 'userClass' | 'details'>>();
  const say = (user: string, own: object) => found.set(user, { ...found.get(user), ...own });
  for (const [user, limit] of Object.entries(users)) say(user, { limit });
  for (const [user, userClass] of Object.entries(userClasses)) say(user, { userClass });
  for (const [key, own] of Object.entries(details)) {
    if (key.startsWith(OF_USER)) say(key.slice(OF_USER.length), { details: own });
  }
  return found;
}

function withUsers(layer: LimitsLayer, kept: [string, OfUser][]): LimitsLayer {
  const { users: _users, userClasses: _classes, details: _details, ...rest } = layer;
  const pick = <T>(of: (own: OfUser) => T | undefined): [string, T][] =>
    kept.flatMap(([user, own]) => {
      const value = of(own);
      return value === undefined ? [] : [[user, value]];
    });
  const others = Object.entries(layer.details ?? {}).filter(([key]) => !key.startsWith(OF_USER));
  const details = pick((own) => own.details).map(([user, own]): [string, LimitDetails] => [OF_USER + user, own]);
  return {
    ...rest,
    ...(layer.users !== undefined && { users: Object.fromEntries(pick((own) => own.limit)) }),
    ...(layer.userClasses !== undefined && { userClasses: Object.fromEntries(pick((own) => own.userClass)) }),
    ...(layer.details !== undefined && { details: Object.fromEntries([...others, ...details]) }),
  };
}
