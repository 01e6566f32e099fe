import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { onFolder } from '#testing';

import { policyFor, type TenantConfig } from './berth.config.js';
import type { Environment } from './environment.config.js';
import { loadConfig } from './load-config.js';

let cwd: string;

onFolder((folder) => (cwd = folder));

function load(yaml = '', env: Environment = {}) {
  writeFileSync(join(cwd, 'berth.yaml'), yaml);
  return loadConfig({ env, cwd });
}

const tenantOf = (config: ReturnType<typeof load>, name: string) => config.tenants[name] as TenantConfig;

describe('where the configuration comes from', () => {
  it('needs no file, and then has every default', () => {
    const config = loadConfig({ env: {}, cwd });
    expect(config).toMatchObject({
      file: null,
      warnings: [],
      host: '127.0.0.1',
      gatewayPort: 8081,
      adminPort: 8080,
      reaperPort: 8082,
      redis: {
        mode: 'standalone',
        nodes: [{ host: '127.0.0.1', port: 6379 }],
        password: null,
        tls: null,
        deadlineMs: 250,
      },
      tenants: {
        default: {
          limits: { users: { anonymous: 0 } },
          sessions: {
            sip: { idleMs: 0, maxDurationMs: 86_400_000, reservationMs: 180_000 },
            ssh: { idleMs: 3_600_000, maxDurationMs: 0 },
            web: { idleMs: 300_000, maxDurationMs: 86_400_000 },
          },
          tombstoneMs: 60_000,
        },
      },
      reaper: { sweepIntervalMs: 1_000 },
    });
  });

  it.each([
    ['nothing', '', {}, false],
    [
      'limits alone',
      'redis: { enabled: true, enable_session_limits: true, max_sessions_per_user: 3, pool_size: 5 }',
      {},
      false,
    ],
    ['an empty block', 'redis:', {}, false],
    ['an empty password', 'redis: { password: "${REDIS_PASSWORD:-}" }', {}, false],
    [
      'empty variables',
      '',
      { BERTH_REDIS_URL: '', REDIS_HOST: '', REDIS_PORT: '', REDIS_PASSWORD: '', REDIS_DB: '' },
      false,
    ],
    ['the address of a Kubernetes service', '', { REDIS_PORT: 'tcp://10.0.0.1:6379' }, false],
    ['BERTH_REDIS_URL', '', { BERTH_REDIS_URL: 'redis://h' }, true],
    ['REDIS_HOST', '', { REDIS_HOST: 'h' }, true],
    ['REDIS_PORT without REDIS_HOST', '', { REDIS_PORT: '6380' }, true],
    ['REDIS_PASSWORD', '', { REDIS_PASSWORD: 'p' }, true],
    ['REDIS_DB', '', { REDIS_DB: '2' }, true],
    ['url', 'redis: { url: "redis://h" }', {}, true],
    ['host', 'redis: { host: "${NAME:-h}" }', {}, true],
    ['port', 'redis: { port: 6380 }', {}, true],
    ['username', 'redis: { username: u }', {}, true],
    ['password', 'redis: { password: p }', {}, true],
    ['database', 'redis: { database: 0 }', {}, true],
    ['tls', 'redis: { tls: true }', {}, true],
    ['mode', 'redis: { mode: cluster }', {}, true],
    [
      'a file with two numbers that YAML takes for one',
      'limits: { user_session_limits: { 0409828030: 1, 409828030: 2 } }\nredis: { port: 1 }',
      {},
      true,
    ],
  ])('knows whether a Redis was named: %s', (_, yaml, env, named) => {
    expect(load(yaml, env).redis.named).toBe(named);
  });

  it('reads berth.yaml in the working directory, or the file that BERTH_CONFIG names', () => {
    expect(load('limits: { max_sessions_per_user: 7 }')).toMatchObject({
      file: 'berth.yaml',
      tenants: { default: { limits: { maxSessionsPerUser: 7 } } },
    });
    writeFileSync(join(cwd, 'other.yaml'), 'limits: { max_sessions_per_user: 8 }');
    const config = loadConfig({ env: { BERTH_CONFIG: 'other.yaml' }, cwd });
    expect(config).toMatchObject({ file: 'other.yaml', tenants: { default: { limits: { maxSessionsPerUser: 8 } } } });
  });

  it('does not start when a named file is missing', () => {
    expect(() => loadConfig({ env: { BERTH_CONFIG: 'missing.yaml' }, cwd })).toThrow(
      'Configuration refused (missing.yaml):\n  BERTH_CONFIG: found "missing.yaml", but there is no such file',
    );
  });

  it('puts the environment into texts, and makes numbers of it where numbers are wanted', () => {
    const yaml = [
      'redis: { password: "${PASS}", port: "${PORT}", host: "${NAME:-redis}.example", tls: "${TLS}" }',
      'limits: { max_sessions_per_user: "${MAX}" }',
      'sessions: { sip: { reservation: "${RESERVATION:-2m}" } }',
    ].join('\n');
    const config = load(yaml, { PASS: '00${X}1', PORT: '7000', MAX: '9', NAME: '', TLS: 'false' });
    expect(config.redis).toMatchObject({
      password: '00${X}1',
      nodes: [{ host: 'redis.example', port: 7000 }],
      tls: null,
    });
    expect(config.tenants.default.limits.maxSessionsPerUser).toBe(9);
    expect(config.tenants.default.sessions['sip']?.reservationMs).toBe(120_000);
  });

  it('takes keys as they are written: a telephone number is no number', () => {
    const { limits } = load(
      'limits: { user_session_limits: { +14155551234: 2, 14155551234: 3, 007: 4, true: 5, Alice: 6 } }',
    ).tenants.default;
    expect(limits.users).toEqual({ '+14155551234': 2, '14155551234': 3, '007': 4, true: 5, alice: 6, anonymous: 0 });
  });
});

describe('what wins', () => {
  const yaml = [
    'redis: { host: block, port: 1, database: 1, enable_session_limits: true, max_sessions_per_user: 1, user_session_limits: { a: 1, b: 1 } }',
    'limits: { max_sessions_per_user: 2, user_session_limits: { b: 2 } }',
  ].join('\n');

  it('is `limits:` over `redis:`, user by user', () => {
    expect(load(yaml).tenants.default.limits).toMatchObject({ maxSessionsPerUser: 2, users: { a: 1, b: 2 } });
  });

  it('is the environment over both, and BERTH_* over the rest', () => {
    const env = { MAX_SESSIONS_PER_USER: '3', REDIS_HOST: 'names', REDIS_DB: '2', REDIS_PASSWORD: 'secret' };
    const config = load(yaml, env);
    expect(config.tenants.default.limits.maxSessionsPerUser).toBe(3);
    expect(config.redis).toMatchObject({ nodes: [{ host: 'names', port: 1 }], database: 2, password: 'secret' });
    const url = load(yaml, { ...env, BERTH_REDIS_URL: 'rediss://user:other@url:3' });
    expect(url.redis).toMatchObject({ nodes: [{ host: 'url', port: 3 }], database: 2, password: 'other', tls: {} });
  });

  it('lets SESSION_TTL_SECONDS end web sessions and unnamed protocols, not calls', () => {
    const config = load('', { SESSION_TTL_SECONDS: '3600', CLEANUP_INTERVAL_SECONDS: '300' });
    const maximum = (protocol: string) => policyFor(tenantOf(config, 'default'), protocol).maxDurationMs;
    expect(['web', 'mqtt', 'sip', 'ssh'].map(maximum)).toEqual([3_600_000, 3_600_000, 86_400_000, 0]);
    expect(config.reaper.sweepIntervalMs).toBe(300_000);
    expect(config.warnings).toEqual([]);
  });

  it('ignores what Kubernetes puts into port variables, and says so', () => {
    const config = load('', { REDIS_PORT: 'tcp://10.0.0.1:6379', BERTH_ADMIN_PORT: 'tcp://10.0.0.2:8080' });
    expect(config).toMatchObject({ adminPort: 8080, redis: { nodes: [{ port: 6379 }] } });
    expect(config.warnings).toHaveLength(2);
  });

  it.each(['0x1F90', '8e3', '0b11', '8080n', 'Infinity', '٨٠٨٠', '8_080'])('takes %s for no number', (text) => {
    expect(() => load('', { BERTH_ADMIN_PORT: text })).toThrow(/BERTH_ADMIN_PORT.*whole number/s);
    expect(() => load(`nodes: { lease: '${text}' }`)).toThrow(/nodes\.lease/);
  });

  it('names a misspelt variable', () => {
    expect(load('', { BERTH_REDIS_URI: 'redis://h', BERTH_INSTALL: '0' }).warnings).toEqual([
      'BERTH_REDIS_URI is not read; did you mean BERTH_REDIS_URL?',
    ]);
  });
});

describe('whether limits are enforced', () => {
  const off = expect.stringContaining('SESSION LIMITS ARE OFF');

  it.each([
    ['nothing', '', undefined, []],
    ["Berth's own block", 'redis: { url: "redis://h" }', undefined, []],
    ['a host alone', 'redis: { host: h, port: 1, password: "p" }', undefined, []],
    ["the guide's block without the key", 'redis: { enabled: true, host: h }', false, [off]],
    ["the guide's limits without the key", 'redis: { max_sessions_per_user: 3 }', false, [off]],
    ["the guide's block with it", 'redis: { enabled: true, enable_session_limits: true }', true, []],
    ['switched off there', 'redis: { enable_session_limits: false }', false, [off]],
    [
      "a limits section beside the guide's block",
      'redis: { max_sessions_per_user: 3 }\nlimits: { max_sessions_per_user: 4 }',
      undefined,
      [],
    ],
    ['limits over redis', 'redis: { enable_session_limits: false }\nlimits: { enabled: true }', true, []],
    ['switched off', 'limits: { enabled: false }', false, [off]],
  ])('%s', (_name, yaml, enabled, warnings) => {
    const config = load(yaml);
    expect([config.tenants.default.limits.enabled, config.warnings]).toEqual([enabled, warnings]);
  });
});

describe('what zero means', () => {
  it('switches limits, idle time and maximum duration off, below zero too', () => {
    const config = load(
      'limits: { max_sessions_per_user: -1, user_session_limits: { a: 0, b: -5 } }\nsessions: { ssh: { idle_timeout: -1 } }',
    );
    expect(config.tenants.default.limits).toMatchObject({ maxSessionsPerUser: 0, users: { a: 0, b: 0 } });
    expect(config.tenants.default.sessions['ssh']?.idleMs).toBe(0);
  });
});

describe('tenants', () => {
  const yaml = [
    'limits: { max_sessions_per_user: 2, user_session_limits: { Alice: 9 } }',
    'sessions: { default: { session_timeout: 1h }, mqtt: { idle_timeout: 60 }, tombstone: 2m }',
    'identity: { anonymous: 3 }',
    'tenants:',
    '  ssh: { shards: 4, limits: { session_limit_action: terminate_oldest }, sessions: { ssh: { idle_timeout: 5m } }, identity: { case: keep } }',
    '  default: { shards: 2, limits: { user_session_limits: { bob: 1 } } }',
  ].join('\n');

  it('take what they do not say from the sections at the top, but not the limits of single users', () => {
    const config = load(yaml);
    expect(tenantOf(config, 'ssh')).toMatchObject({
      shards: 4,
      limits: { maxSessionsPerUser: 2, action: 'terminate_oldest', users: { anonymous: 3 } },
      tombstoneMs: 120_000,
      identity: { case: 'keep', domain: 'drop', anonymousLimit: 3 },
    });
    expect(tenantOf(config, 'ssh').limits.users).toEqual({ anonymous: 3 });
    expect(tenantOf(config, 'default')).toMatchObject({
      shards: 2,
      limits: { users: { alice: 9, bob: 1, anonymous: 3 } },
    });
  });

  it('have a policy for every protocol', () => {
    const config = load(yaml);
    const policy = (tenant: string, protocol: string) => policyFor(tenantOf(config, tenant), protocol);
    expect(policy('default', 'mqtt')).toEqual({ idleMs: 60_000, maxDurationMs: 3_600_000, reservationMs: 180_000 });
    expect(policy('default', 'constructor')).toEqual(policy('default', 'default'));
    expect(policy('ssh', 'ssh').idleMs).toBe(300_000);
    expect(policy('default', 'ssh').idleMs).toBe(3_600_000);
  });
});
