import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { MAX_ANCESTORS } from './limit.js';
import { limitProblems } from './limit-problems.js';
import { ancestorsOf, effectiveLimits, type LimitsLayer } from './limits-document.js';

const problems = (layer: LimitsLayer, shards = 1) =>
  limitProblems(effectiveLimits({ version: 1, file: layer, api: {} }), shards).map(
    ({ path, message }) => `${path}: ${message}`,
  );
const chained = (parents: Record<string, string>) => problems({ groups: { trunk: { parents } } });
const reserved = (key: string, places: number, limits: LimitsLayer = {}, group = 'trunk:west') =>
  problems({ ...limits, details: { [key]: { reserve: { group, places } } } });

const KEYS = 'expected user, user:<name>, class:<class>, total, kind:<kind>, group:<kind>:<name> or ip';
const GROUPS = 'expected kind:name, the kind of 1 to 32 of a-z, 0-9 and -, the name of 1 to 128 printable bytes';
const OWN = 'priority:emergency has no parent and is none; emergency sessions are in it by themselves';

describe('limits without a problem', () => {
  it('are those of an empty document, and of one that says everything', () => {
    expect(problems({}, 4)).toEqual([]);
    expect(
      problems({
        maxSessionsPerUser: 3,
        users: { alice: 4, '*': 0 },
        classes: { gold: 20 },
        userClasses: { alice: 'gold' },
        maxTotalSessions: 1_000,
        groups: {
          trunk: { default: 100, overrides: { west: 30, 'a.b:c é': 0 }, parents: { west: 'carrier:acme' } },
          carrier: { overrides: { acme: 60 }, rates: { acme: { perSecond: 0.5, burst: 10 } } },
          priority: { default: 5, overrides: { emergency: 6 } },
        },
        maxSessionsPerIpPerHour: 20,
        userRate: { perSecond: 1, burst: 5 },
        alertThreshold: 100,
        details: {
          user: { observe: true, temporary: { max: 1, untilMs: 1 } },
          'user:alice': { observe: true, temporary: { max: 1, untilMs: 1 } },
          'class:gold': { observe: true },
          total: { reserve: { group: 'priority:emergency', places: 50 }, temporary: { max: 60, untilMs: 1 } },
          'kind:trunk': { reserve: { group: 'customer:acme', places: 100 } },
          'group:trunk:west': { reserve: { group: 'priority:emergency', places: 2 } },
          'group:priority:emergency': { observe: false, origin: { by: 'ops', atMs: 1, reason: null } },
          ip: { observe: true },
        },
      }),
    ).toEqual([]);
  });

  it('may name groups that nobody configured, to track them, in a tenant of several shards too', () => {
    expect(problems({ groups: { trunk: { parents: { west: 'carrier:acme' } } } }, 4)).toEqual([]);
  });
});

describe('parents', () => {
  it('form no cycle, which is told once, and no group is its own parent', () => {
    expect(chained({ a: 'trunk:b', b: 'trunk:c', c: 'trunk:a', below: 'trunk:a' })).toEqual([
      'groups.trunk.parents.a: found "trunk:b", but that puts trunk:a within itself',
    ]);
    expect(chained({ below: 'trunk:a', a: 'trunk:a' })).toEqual([
      'groups.trunk.parents.a: found "trunk:a", but no group is its own parent',
    ]);
  });

  it('go four levels up and not five, which is told where it begins', () => {
    const four = { a: 'trunk:b', b: 'trunk:c', c: 'trunk:d', d: 'trunk:e' };
    expect(chained(four)).toEqual([]);
    expect(chained({ ...four, lower: 'trunk:low', low: 'trunk:a' })).toEqual([
      'groups.trunk.parents.low: found "trunk:a", but trunk:low would be within 5 groups, one above the other; at most 4 are allowed',
    ]);
  });

  it('are refused exactly where a group is within itself or too deep', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const parents = fc.dictionary(
      fc.constantFrom(...names),
      fc.constantFrom(...names).map((name) => `trunk:${name}`),
    );
    fc.assert(
      fc.property(parents, (trunk) => {
        const limits = effectiveLimits({ version: 1, file: { groups: { trunk: { parents: trunk } } }, api: {} });
        const impossible = names.some((name) => {
          const above = ancestorsOf(limits, `trunk:${name}`);
          return above.includes(`trunk:${name}`) || above.length > MAX_ANCESTORS;
        });
        expect(limitProblems(limits, 1).length > 0).toBe(impossible);
      }),
    );
  });

  it('of a hundred thousand groups are judged without climbing each chain anew', () => {
    const line = Array.from({ length: 100_000 }, (_, n) => [`g${n}`, `trunk:g${n + 1}`]);
    expect(chained(Object.fromEntries(line))).toHaveLength(1);
  });

  it('are groups, and never the emergency sessions', () => {
    expect(chained({ west: 'carrier', east: 'priority:emergency' })).toEqual([
      `groups.trunk.parents.west: found "carrier", ${GROUPS}`,
      `groups.trunk.parents.east: found "priority:emergency", but ${OWN}`,
    ]);
    expect(problems({ groups: { priority: { parents: { emergency: 'carrier:acme' } } } })).toEqual([
      `groups.priority.parents.emergency: found "carrier:acme", but ${OWN}`,
    ]);
  });
});

describe('names', () => {
  it('of groups are 1 to 128 printable bytes', () => {
    const long = 'é'.repeat(64);
    expect(problems({ groups: { trunk: { overrides: { [long]: 1 } } } })).toEqual([]);
    expect(problems({ groups: { trunk: { overrides: { '': 1, [`${long}x`]: 1 } } } })).toEqual([
      `groups.trunk.overrides.: found "trunk:", ${GROUPS}`,
      `groups.trunk.overrides.${long}x: found "trunk:${long}x", ${GROUPS}`,
    ]);
    expect(problems({ groups: { trunk: { rates: { 'a\nb': { perSecond: 1, burst: 1 } } } } })).toEqual([
      `groups.trunk.rates.a\nb: found "trunk:a\\nb", ${GROUPS}`,
    ]);
  });

  it('of kinds and classes are short and plain', () => {
    expect(problems({ groups: { Trunk: { overrides: { west: 1 } } }, classes: { 'very gold': 1 } })).toEqual([
      'classes.very gold: not a class name (a-z, 0-9, -; at most 32)',
      'groups.Trunk: not a group kind (a-z, 0-9, -; at most 32)',
    ]);
  });

  it('of the kind priority are one', () => {
    expect(problems({ groups: { priority: { overrides: { vip: 1 } } } })).toEqual([
      'groups.priority.overrides.vip: found "priority:vip", but the kind priority has one group only, priority:emergency',
    ]);
  });

  it('of the classes of users are among the classes', () => {
    expect(problems({ classes: { gold: 1 }, userClasses: { alice: 'gold', bob: 'constructor' } })).toEqual([
      'user_classes.bob: found "constructor", but classes has no such class',
    ]);
  });
});

describe('what is said of a limit beside its number', () => {
  it('names a limit', () => {
    const reserve = { group: 'trunk:west', places: 1 };
    const details = {
      'trunk:west': { observe: true },
      'group:trunk': { reserve, temporary: { max: 1, untilMs: 1 } },
      'class:gold': { observe: true },
      'group:priority:vip': { origin: { by: 'ops', atMs: 1, reason: null } },
    };
    expect(problems({ details })).toEqual([
      `observe: found "trunk:west", ${KEYS}`,
      `reserves.group:trunk: found "group:trunk", ${KEYS}`,
      `temporary.group:trunk: found "group:trunk", ${KEYS}`,
      'observe: found "class:gold", but classes has no such class',
      'origins.group:priority:vip: found "priority:vip", but the kind priority has one group only, priority:emergency',
    ]);
  });

  it('is a temporary limit only of users, groups, their kinds and the total', () => {
    const temporary = { max: 1, untilMs: 1 };
    const only = 'only user, user:<name>, total, kind:<kind> and group:<kind>:<name> can have a temporary limit';
    expect(problems({ classes: { gold: 1 }, details: { 'class:gold': { temporary }, ip: { temporary } } })).toEqual([
      `temporary.class:gold: ${only}`,
      `temporary.ip: ${only}`,
    ]);
  });
});

describe('a reserve', () => {
  it.each(['user', 'user:alice', 'ip'])('is none of the limit %s', (key) => {
    expect(reserved(key, 1)).toEqual([
      `reserves.${key}: only total, kind:<kind> and group:<kind>:<name> can have a reserve`,
    ]);
  });

  it('is at most its limit, which is not unlimited', () => {
    expect(reserved('total', 5, { maxTotalSessions: 5 })).toEqual([]);
    expect(reserved('total', 6, { maxTotalSessions: 5 })).toEqual([
      'reserves.total.places: found 6, but max_total_sessions is 5; a reserve is at most its limit',
    ]);
    expect(reserved('total', 6, { maxTotalSessions: -1 })).toEqual([
      'reserves.total.places: found 6, but max_total_sessions is unlimited; a reserve needs a limit above 0',
    ]);
    expect(reserved('total', 0)).toEqual([]);
  });

  it("of a group is one of the group's own limit, else of that of its kind", () => {
    const groups = { trunk: { default: 4, overrides: { west: 3 } } };
    expect(reserved('group:trunk:east', 4, { groups })).toEqual([]);
    expect(
      ['group:trunk:west', 'group:trunk:east', 'kind:trunk'].flatMap((key) => reserved(key, 5, { groups })),
    ).toEqual([
      'reserves.group:trunk:west.places: found 5, but groups.trunk.overrides.west is 3; a reserve is at most its limit',
      'reserves.group:trunk:east.places: found 5, but groups.trunk.default is 4; a reserve is at most its limit',
      'reserves.kind:trunk.places: found 5, but groups.trunk.default is 4; a reserve is at most its limit',
    ]);
    expect(reserved('kind:constructor', 5)).toEqual([
      'reserves.kind:constructor.places: found 5, but groups.constructor.default is unlimited; a reserve needs a limit above 0',
    ]);
  });

  it('of a group needs a limit that can be counted through; that of the total is not counted so', () => {
    expect(reserved('kind:trunk', 5, { groups: { trunk: { default: 10_000 } } })).toEqual([]);
    expect(reserved('kind:trunk', 5, { groups: { trunk: { default: 10_001 } } })).toEqual([
      'reserves.kind:trunk.places: found 5, but groups.trunk.default is 10001; the limit of a group with a reserve is at most 10000',
    ]);
    expect(reserved('total', 5, { maxTotalSessions: 1_000_000 })).toEqual([]);
  });

  it('is kept for a group that sessions can be in', () => {
    expect(reserved('total', 1, { maxTotalSessions: 5 }, 'emergency')).toEqual([
      `reserves.total.group: found "emergency", ${GROUPS}`,
    ]);
    expect(reserved('total', 1, { maxTotalSessions: 5 }, 'priority:vip')).toEqual([
      'reserves.total.group: found "priority:vip", but the kind priority has one group only, priority:emergency',
    ]);
  });
});

describe('limits of a tenant with several shards', () => {
  const rate = { perSecond: 0.5, burst: 1 };
  const spanning: LimitsLayer = {
    maxTotalSessions: 1_000,
    maxSessionsPerIpPerHour: 20,
    alertThreshold: 100,
    groups: { trunk: { default: 10, overrides: { west: 3, east: 0 }, rate, rates: { west: rate } } },
    details: { total: { temporary: { max: 7, untilMs: 1 } }, 'user:alice': { temporary: { max: 8, untilMs: 1 } } },
  };

  it('are those that one shard can judge alone', () => {
    const why =
      "but it would span the tenant's 4 shards, and is exact within one only; give the tenant one shard, or say 0";
    expect(problems(spanning, 4)).toEqual([
      `max_total_sessions: found 1000, ${why}`,
      `max_sessions_per_ip_per_hour: found 20, ${why}`,
      `session_creation_alert_threshold: found 100, ${why}`,
      `groups.trunk.default: found 10, ${why}`,
      `groups.trunk.rate.per_second: found 0.5, ${why}`,
      `groups.trunk.overrides.west: found 3, ${why}`,
      `groups.trunk.rates.west.per_second: found 0.5, ${why}`,
      `temporary.total: found 7, ${why}`,
    ]);
    expect(problems(spanning, 1)).toEqual([]);
    expect(problems({ maxSessionsPerUser: 3, users: { a: 1 }, classes: { gold: 1 }, userRate: rate }, 4)).toEqual([]);
  });
});
