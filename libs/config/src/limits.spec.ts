import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { onFolder } from '#testing';

import type { Environment } from './environment.config.js';
import { loadConfig } from './load-config.js';

let cwd: string;

onFolder((folder) => (cwd = folder));

function load(yaml: string, env: Environment = {}) {
  writeFileSync(join(cwd, 'berth.yaml'), yaml);
  return loadConfig({ env, cwd });
}

const limitsOf = (yaml: string, tenant: string) => load(yaml).tenants[tenant]?.limits;

describe('the limits of a file', () => {
  it('are the layer that it says, and nothing else', () => {
    expect(limitsOf('', 'default')).toEqual({ users: { anonymous: 0 } });
    const { tenants, warnings } = load(`
limits:
  max_sessions_per_user: -1
  classes: { gold: 20 }
  max_total_sessions: 1000
  total_limit_action: terminate_oldest
  groups:
    trunk:
      default: 100
      action: terminate_oldest
      overrides: { west: 30, 007: -1 }
      parents: { west: carrier:acme }
      rate: { per_second: "10", burst: 20 }
      rates: { west: { per_second: 0.5, burst: 5 }, east: { per_second: -1, burst: 1 } }
    carrier: {}
  max_sessions_per_ip_per_hour: 20
  user_rate: { per_second: 0.2, burst: 3 }
  session_creation_alert_threshold: 500
`);
    expect(warnings).toEqual([]);
    const { limits } = tenants.default;
    expect(limits).toEqual({
      maxSessionsPerUser: 0,
      users: { anonymous: 0 },
      classes: { gold: 20 },
      maxTotalSessions: 1_000,
      totalAction: 'terminate_oldest',
      groups: {
        trunk: {
          default: 100,
          action: 'terminate_oldest',
          overrides: { west: 30, '007': 0 },
          parents: { west: 'carrier:acme' },
          rate: { perSecond: 10, burst: 20 },
          rates: { west: { perSecond: 0.5, burst: 5 }, east: { perSecond: 0, burst: 1 } },
        },
        carrier: {},
      },
      maxSessionsPerIpPerHour: 20,
      userRate: { perSecond: 0.2, burst: 3 },
      alertThreshold: 500,
    });
    expect(JSON.stringify(limits)).not.toContain('undefined');
  });

  it('say with one detail a limit what is observed and what is reserved, users in their canonical form', () => {
    const yaml = `
limits:
  max_total_sessions: 10
  observe: [total, 'user:sip:Alice@example.com', 'user:ALICE', ip]
  reserves: { total: { group: priority:emergency, places: 2 } }
tenants:
  kept: { identity: { case: keep }, limits: { observe: ['user:Alice'] } }
`;
    expect(limitsOf(yaml, 'default')?.details).toEqual({
      total: { observe: true, reserve: { group: 'priority:emergency', places: 2 } },
      'user:alice': { observe: true },
      ip: { observe: true },
    });
    expect(limitsOf(yaml, 'kept')?.details).toEqual({
      total: { reserve: { group: 'priority:emergency', places: 2 } },
      'user:Alice': { observe: true },
    });
  });

  it('may come from the environment, number by number', () => {
    const yaml =
      'limits: { max_total_sessions: "${TOTAL}", user_rate: { per_second: "${RATE:-0.5}", burst: "${BURST}" } }';
    const { limits } = load(yaml, { TOTAL: '7', BURST: '3', MAX_SESSIONS_PER_USER: '2' }).tenants.default;
    expect(limits).toMatchObject({
      maxTotalSessions: 7,
      maxSessionsPerUser: 2,
      userRate: { perSecond: 0.5, burst: 3 },
    });
  });
});

describe('the limits of a tenant', () => {
  const yaml = `
limits:
  classes: { gold: 20, silver: 10 }
  user_session_limits: { alice: 9 }
  max_total_sessions: 100
  total_limit_action: terminate_oldest
  groups:
    trunk: { default: 10, action: terminate_oldest, overrides: { west: 30 }, parents: { west: carrier:acme }, rates: { west: { per_second: 1, burst: 1 } } }
    carrier: { default: 40, rate: { per_second: 1, burst: 2 } }
    priority: { overrides: { emergency: 5 } }
  max_sessions_per_ip_per_hour: 20
  user_rate: { per_second: 1, burst: 5 }
  session_creation_alert_threshold: 50
  observe: [user:alice, class:gold, group:trunk:west, kind:carrier, group:priority:emergency]
  reserves:
    total: { group: priority:emergency, places: 5 }
    kind:trunk: { group: priority:emergency, places: 4 }
    kind:carrier: { group: trunk:west, places: 3 }
    group:trunk:west: { group: priority:emergency, places: 2 }
tenants:
  heir: {}
  own:
    limits:
      classes: { gold: 5 }
      max_total_sessions: 3
      groups: { trunk: { default: 2, overrides: { west: 1 } }, room: { default: 7 } }
      user_rate: { per_second: 0, burst: 1 }
      observe: []
  default: { limits: { groups: { trunk: { overrides: { east: 8 } } }, reserves: { total: { group: priority:emergency, places: 6 } } } }
`;
  const emergency = (places: number) => ({ reserve: { group: 'priority:emergency', places } });

  it('are those at the top where it says nothing, but not those of single users and groups', () => {
    expect(limitsOf(yaml, 'heir')).toEqual({
      users: { anonymous: 0 },
      classes: { gold: 20, silver: 10 },
      maxTotalSessions: 100,
      totalAction: 'terminate_oldest',
      groups: {
        trunk: { default: 10, action: 'terminate_oldest' },
        carrier: { default: 40, rate: { perSecond: 1, burst: 2 } },
        priority: { overrides: { emergency: 5 } },
      },
      maxSessionsPerIpPerHour: 20,
      userRate: { perSecond: 1, burst: 5 },
      alertThreshold: 50,
      details: {
        'class:gold': { observe: true },
        'kind:carrier': { observe: true },
        'group:priority:emergency': { observe: true },
        total: emergency(5),
        'kind:trunk': emergency(4),
      },
    });
  });

  it('are its own where it says some: name by name, without the reserves of numbers that it gives, `observe` as a whole', () => {
    const own = limitsOf(yaml, 'own');
    expect(own).toMatchObject({
      classes: { gold: 5, silver: 10 },
      maxTotalSessions: 3,
      userRate: { perSecond: 0, burst: 1 },
      groups: {
        trunk: { default: 2, action: 'terminate_oldest', overrides: { west: 1 } },
        carrier: { default: 40 },
        room: { default: 7 },
      },
    });
    expect(own).not.toHaveProperty('details');
  });

  it('are all of those at the top for `default`, and what it says over them', () => {
    const { groups, details, users } = limitsOf(yaml, 'default') ?? {};
    expect(users).toEqual({ alice: 9, anonymous: 0 });
    expect(groups?.['trunk']).toMatchObject({
      default: 10,
      overrides: { west: 30, east: 8 },
      parents: { west: 'carrier:acme' },
    });
    expect(details).toEqual({
      'user:alice': { observe: true },
      'class:gold': { observe: true },
      'group:trunk:west': { observe: true, ...emergency(2) },
      'kind:carrier': { observe: true, reserve: { group: 'trunk:west', places: 3 } },
      'group:priority:emergency': { observe: true },
      total: emergency(6),
      'kind:trunk': emergency(4),
    });
  });
});

describe('limits that hold but cannot be meant', () => {
  it('are warned about at start, with the name of their tenant', () => {
    const yaml = [
      'limits: { max_total_sessions: 4, user_session_limits: { alice: 4 } }',
      'tenants:',
      '  ssh: { limits: { max_sessions_per_user: 10, reserves: { total: { group: priority:emergency, places: 4 } } } }',
    ].join('\n');
    expect(load(yaml).warnings).toEqual([
      'Limits of tenant ssh: max_sessions_per_user: 10 is out of reach, because max_total_sessions is 4',
      'Limits of tenant ssh: reserves.total.places: 4 is all that max_total_sessions allows, so that everybody outside priority:emergency is refused',
      'Limits of tenant default: user_session_limits.alice: 4 is out of reach, because max_total_sessions is 4',
    ]);
  });

  it('are not the default of every user, which nobody wrote', () => {
    expect(load('limits: { max_total_sessions: 4 }').warnings).toEqual([]);
  });
});

describe('a limit for alice@example.com in the file', () => {
  const yaml = 'limits: { user_session_limits: { alice@example.com: 3 }, observe: [user:bob@example.com] }';

  it('is warned of at start: it concerns no call where domains are dropped', () => {
    const { warnings } = load(yaml);
    for (const name of ['alice', 'bob']) {
      expect(warnings).toContainEqual(expect.stringContaining(`calls from ${name}@example.com are of user ${name}`));
    }
  });

  it('is well where domains count, or names are users as they stand', () => {
    for (const identity of ['identity: { domain: keep }', 'identity: { user_from: user }']) {
      expect(load(`${yaml}\n${identity}`).warnings.join()).not.toContain('domains do not count');
    }
  });
});
