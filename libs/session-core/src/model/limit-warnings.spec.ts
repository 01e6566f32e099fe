import { describe, expect, it } from '@jest/globals';

import { limitWarnings } from './limit-warnings.js';
import { effectiveLimits, type LimitsLayer } from './limits-document.js';

const warnings = (layer: LimitsLayer) => limitWarnings(effectiveLimits({ version: 1, file: layer, api: {} }));

describe('limits that are never reached', () => {
  it('are those at or above the total', () => {
    const limits: LimitsLayer = {
      maxTotalSessions: 20,
      maxSessionsPerUser: 21,
      users: { alice: 20, bob: 19, carol: 0 },
      classes: { gold: 30, silver: 5 },
      groups: { trunk: { default: 25, overrides: { west: 40, east: 19 } } },
    };
    expect(warnings(limits)).toEqual([
      'max_sessions_per_user: 21 is out of reach, because max_total_sessions is 20',
      'user_session_limits.alice: 20 is out of reach, because max_total_sessions is 20',
      'classes.gold: 30 is out of reach, because max_total_sessions is 20',
      'groups.trunk.default: 25 is out of reach, because max_total_sessions is 20',
      'groups.trunk.overrides.west: 40 is out of reach, because max_total_sessions is 20',
    ]);
    expect(warnings({ ...limits, details: { total: { observe: true } } })).toEqual([]);
    expect(warnings({ ...limits, maxTotalSessions: 0 })).toEqual([]);
  });

  it('are not told of a default that nobody wrote', () => {
    expect(warnings({ maxTotalSessions: 3 })).toEqual([]);
  });

  it("are those of groups above their parent's, or above that of a group further up", () => {
    const groups: LimitsLayer['groups'] = {
      trunk: {
        default: 100,
        overrides: { west: 61, east: 60 },
        parents: { west: 'carrier:acme', east: 'carrier:acme' },
      },
      carrier: { overrides: { acme: 60, other: 0 }, parents: { other: 'country:de' } },
      country: { default: 80 },
    };
    const west =
      'groups.trunk.overrides.west: 61 is out of reach for trunk:west, because it is within carrier:acme, whose limit is 60';
    expect(warnings({ groups })).toEqual([west]);
    expect(warnings({ groups: { ...groups, trunk: { default: 100, parents: { south: 'carrier:other' } } } })).toEqual([
      'groups.trunk.default: 100 is out of reach for trunk:south, because it is within country:de, whose limit is 80',
    ]);
    expect(warnings({ groups, details: { 'group:carrier:acme': { observe: true } } })).toEqual([]);
    expect(warnings({ groups, details: { 'kind:carrier': { observe: true } } })).toEqual([west]);
  });
});

describe('limits that refuse everybody', () => {
  it('are those whose reserve is all of them', () => {
    const reserve = { group: 'priority:emergency', places: 5 };
    const groups = { trunk: { default: 6, overrides: { west: 5 } } };
    const details = { total: { reserve }, 'kind:trunk': { reserve }, 'group:trunk:west': { reserve } };
    expect(warnings({ maxTotalSessions: 7, groups, details })).toEqual([
      'reserves.group:trunk:west.places: 5 is all that groups.trunk.overrides.west allows, so that everybody outside priority:emergency is refused',
    ]);
    expect(warnings({ maxTotalSessions: 5, details: { total: { reserve, observe: true } } })).toEqual([]);
  });
});

describe('many warnings', () => {
  it('are counted beyond the first twenty', () => {
    const users = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`u${n}`, 9]));
    const told = warnings({ maxTotalSessions: 9, users });
    expect(told).toHaveLength(21);
    expect(told.at(-1)).toBe('5 more limits are like those above');
  });
});
