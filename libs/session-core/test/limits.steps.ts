import fc from 'fast-check';
import type { LimitDetails } from '../src/model/limit.js';
import type { GroupKindLimits, LimitsLayer } from '../src/model/limits-document.js';
import type { Caller } from './limits.model.js';

export const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
export const USERS = ['alice', 'bob'];
export const GROUPS = ['trunk:west', 'trunk:east', 'carrier:acme', 'region:north', 'priority:emergency'];
export const ADDRESSES = ['192.0.2.10', '192.0.2.11'];

/** Each step names what it does; the runner does it to the model and to the real books. */
export type Step =
  | { do: 'admit'; caller: Caller }
  | { do: 'end' | 'withdraw'; id: string }
  | { do: 'sweep' }
  | { do: 'clock'; ms: number }
  | { do: 'limits'; edit: (limits: LimitsLayer, now: number) => LimitsLayer };

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
const sometimes = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const rarely = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
const max = fc.integer({ min: -1, max: 4 });
const action = oneOf('reject' as const, 'terminate_oldest' as const, 'terminate_oldest' as const);
/** Slow, so that no key expires by the clock of Redis, which is not the test's; in whole milliseconds for a call. */
const rate = fc.record({ perSecond: oneOf(1 / 100, 1 / 125, 1 / 1_000), burst: fc.integer({ min: 1, max: 3 }) });

/** Most ids belong to one user, so that few are asked for by another one. */
const owner = oneOf(...IDS).chain((id) => {
  const [user, other] = id < 'f' ? ['alice', 'bob'] : ['bob', ''];
  return fc.record({ id: fc.constant(id), user: oneOf(user, user, user, user, user, user, other) });
});

const caller: fc.Arbitrary<Caller> = fc
  .record({
    owner,
    attempt: oneOf(1, 1, 2, 2, 3, 4, 5, 6),
    userClass: oneOf(null, 'gold'),
    groups: fc.subarray(['trunk:west', 'trunk:east', 'carrier:acme'], { maxLength: 3 }),
    address: oneOf(...ADDRESSES),
    emergency: rarely,
    lastsMs: oneOf(0, 0, 50_000),
  })
  .map(({ owner: whose, ...said }) => ({ ...whose, ...said }));

type Edit = (limits: LimitsLayer, now: number) => LimitsLayer;

function set<K extends keyof LimitsLayer>(field: K, value: fc.Arbitrary<LimitsLayer[K]>): fc.Arbitrary<Edit> {
  return value.map((said) => (limits) => ({ ...limits, [field]: said }));
}

/** Says one entry of a map, or takes it out. */
function entryOf(field: 'users' | 'classes' | 'userClasses', name: string, value: fc.Arbitrary<number | string>) {
  return sometimes(value).map((said): Edit => (limits) => {
    const { [name]: _old, ...others } = (limits[field] ?? {}) as Record<string, number | string>;
    return { ...limits, [field]: said === undefined ? others : { ...others, [name]: said } };
  });
}

const kind = oneOf('trunk', 'carrier', 'region', 'priority');
/** Only upwards, so that no group is within itself. */
const parents = fc.record({
  trunk: fc.record({ west: oneOf('carrier:acme', 'region:north'), east: oneOf('carrier:acme') }, { requiredKeys: [] }),
  carrier: fc.record({ acme: oneOf('region:north') }, { requiredKeys: [] }),
});

function ofKind(edited: fc.Arbitrary<Partial<GroupKindLimits>>): fc.Arbitrary<Edit> {
  return fc.tuple(kind, edited).map(([name, edit]) => (limits) => {
    const groups = { ...limits.groups, [name]: { ...limits.groups?.[name], ...edit } };
    return { ...limits, groups };
  });
}

const detailed = oneOf(
  'user',
  'user:alice',
  'total',
  'kind:trunk',
  'group:trunk:west',
  'group:carrier:acme',
  'kind:priority',
);
const details = fc.record({
  observe: sometimes(fc.boolean()),
  reserve: sometimes(fc.record({ group: oneOf(...GROUPS), places: fc.integer({ min: 1, max: 2 }) })),
  temporary: sometimes(fc.record({ max, lastsMs: oneOf(1, 1_000, 30_000) })),
});

const saysDetails: fc.Arbitrary<Edit> = fc.tuple(detailed, details).map(([key, said]) => (limits, now) => {
  const { observe, temporary: { max: most, lastsMs } = {} } = said;
  // A user's limit has no reserve.
  const reserve = key.startsWith('user') ? undefined : said.reserve;
  const temporary = most === undefined || lastsMs === undefined ? undefined : { max: most, untilMs: now + lastsMs };
  const own: LimitDetails = {
    ...(observe && { observe }),
    ...(reserve && { reserve }),
    ...(temporary && { temporary }),
  };
  return { ...limits, details: { ...limits.details, [key]: own } };
});

const edit: fc.Arbitrary<Edit> = fc.oneof(
  set('maxSessionsPerUser', max),
  set('maxTotalSessions', fc.integer({ min: 0, max: 6 })),
  set('action', action),
  set('totalAction', action),
  set(
    'enabled',
    rarely.map((off) => !off),
  ),
  set('maxSessionsPerIpPerHour', oneOf(0, 0, 2, 4)),
  set('userRate', sometimes(rate)),
  entryOf('users', 'alice', max),
  entryOf('classes', 'gold', max),
  entryOf('userClasses', 'alice', oneOf('gold')),
  ofKind(fc.record({ default: max })),
  ofKind(fc.record({ action })),
  ofKind(fc.record({ rate: sometimes(rate) })),
  ofKind(fc.record({ overrides: fc.record({ west: max, acme: max }, { requiredKeys: [] }) })),
  ofKind(
    fc.record({ rates: fc.record({ west: fc.oneof(rate, oneOf({ perSecond: 0, burst: 1 })) }, { requiredKeys: [] }) }),
  ),
  parents.map((said): Edit => (limits) => {
    const groups = { ...limits.groups };
    for (const [name, of] of Object.entries(said)) groups[name] = { ...groups[name], parents: of };
    return { ...limits, groups };
  }),
  { weight: 4, arbitrary: saysDetails },
  oneOf<Edit>((limits) => ({ ...limits, details: { ip: { observe: true } } })),
  oneOf<Edit>(() => ({ maxSessionsPerUser: 3 })),
);

const OLDEST = 'terminate_oldest';
const trunk = { default: 2, action: OLDEST, parents: { west: 'carrier:acme' } } as const;

/** Limits to begin with: hardly any; each kind of count; each kind of rate. */
export const beginning: fc.Arbitrary<LimitsLayer> = oneOf<LimitsLayer>(
  { maxSessionsPerUser: 3 },
  {
    maxSessionsPerUser: 3,
    action: OLDEST,
    maxTotalSessions: 4,
    totalAction: OLDEST,
    groups: { trunk, carrier: { default: 2, action: OLDEST } },
    details: { total: { reserve: { group: 'carrier:acme', places: 1 } } },
  },
  {
    maxSessionsPerUser: 0,
    userRate: { perSecond: 1 / 100, burst: 2 },
    maxSessionsPerIpPerHour: 3,
    groups: { trunk: { rate: { perSecond: 1 / 125, burst: 2 } } },
  },
);

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: oneOf('admit' as const), caller }) },
  { weight: 2, arbitrary: fc.record({ do: oneOf('end' as const, 'withdraw' as const), id: oneOf(...IDS) }) },
  { weight: 1, arbitrary: fc.record({ do: oneOf('sweep' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: oneOf('clock' as const),
      ms: oneOf(1, 999, 30_000, 100_000, 3_600_000, -45_000, -3_600_000),
    }),
  },
  { weight: 7, arbitrary: fc.record({ do: oneOf('limits' as const), edit }) },
);
