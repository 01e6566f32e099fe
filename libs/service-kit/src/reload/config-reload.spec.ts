import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { changedSettings, ConfigFiles, isTakenOver, readConfig, type BerthConfig } from '#config';
import { eventually } from '#testing';

import { authenticate, isStillKnown, newKey } from '../auth/authenticate.js';
import { createLogger } from '../logging/logger.js';
import { ConfigReload } from './config-reload.service.js';

let dir: string;
let logged: Record<string, unknown>[];
const open: ConfigReload[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-config-reload-'));
  logged = [];
});

afterEach(async () => {
  for (const reload of open.splice(0)) reload.onModuleDestroy();
  await rm(dir, { recursive: true, force: true });
});

const write = async (yaml: string, name = 'berth.yaml') => await writeFile(join(dir, name), yaml);

async function start(
  yaml: string,
  env: Record<string, string> = {},
): Promise<{ config: BerthConfig; reload: ConfigReload }> {
  await write(yaml);
  const files = new ConfigFiles(dir);
  const reading = readConfig({ env, cwd: dir, files });
  const { config } = reading;
  const logger = createLogger(config, 'test', { write: (line) => logged.push(JSON.parse(line) as never) });
  const reload = new ConfigReload(config, logger);
  open.push(reload);
  reload.watch(reading, files.digests, { env, cwd: dir });
  return { config, reload };
}

const messages = () => logged.map(({ message }) => message);

describe('a configuration that is read again', () => {
  it('changes limits, policies, keys and the level in place, and nothing else', async () => {
    const { config, reload } = await start('limits: { max_sessions_per_user: 1 }\nnodes: { lease: 15 }\n');
    const tenant = config.tenants.default;
    await write(`limits: { max_sessions_per_user: 2 }
sessions: { tombstone: 90, sip: { session_timeout: 60 } }
logging: { level: warn }
nodes: { lease: 30 }
sip: { user: { code: 403 } }
auth: { keys: [{ id: n, role: node, hash: '${newKey().hash}' }] }
`);
    let applied = 0;
    reload.onApplied(() => (applied += 1));
    reload.reload('SIGHUP');
    expect(applied).toBe(1);
    expect(config.tenants.default).toBe(tenant);
    expect(tenant).toMatchObject({ limits: { maxSessionsPerUser: 2 }, tombstoneMs: 90_000 });
    expect(config.logging.level).toBe('warn');
    expect(tenant.sessions['sip']?.maxDurationMs).toBe(60_000);
    expect(config.auth.keys.map(({ id }) => id)).toEqual(['n']);
    expect([config.nodes.leaseMs, config.sip.user.code]).toEqual([15_000, 486]);
    expect(logged.at(-1)).toMatchObject({ level: 'warn', settings: ['nodes.lease', 'sip.user'] });
  });

  it('knows which callers were let in by a key that is gone or says another thing', async () => {
    const [same, other, gone] = [newKey(), newKey(), newKey()];
    const keys = (...lines: string[]) => `auth: { keys: [${lines.join(', ')}] }`;
    const line = (id: string, { hash }: { hash: string }, more = '') =>
      `{ id: ${id}, role: node, hash: '${hash}'${more} }`;
    const { config, reload } = await start(keys(line('same', same), line('other', other), line('gone', gone)));
    const callers = [same, other, gone].map(({ key }) =>
      authenticate(config, { authorization: `Bearer ${key}`, tenant: undefined }),
    );
    await write(keys(line('other', other, ', nodes: [n1]'), line('same', same)));
    reload.reload('SIGHUP');
    expect(callers.map((caller) => isStillKnown(config, caller))).toEqual([true, false, false]);
  });

  it('keeps its keys where the file has lost all of them, as one does that was cut off', async () => {
    const key = newKey();
    const { config, reload } = await start(`auth: { keys: [{ id: n, role: node, hash: '${key.hash}' }] }`);
    await write('limits: { max_sessions_per_user: 2 }');
    reload.reload('SIGHUP');
    expect(config.tenants.default.limits).toMatchObject({ maxSessionsPerUser: 2 });
    expect(config.auth.keys.map(({ id }) => id)).toEqual(['n']);
    expect(() => authenticate(config, { authorization: undefined, tenant: undefined })).toThrow();
    expect(logged.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'The keys stay until a restart: without any, everybody on this machine would be let in',
    ]);
  });

  it('knows that without keys nobody is let in any more once there are some', async () => {
    const { config, reload } = await start('limits: {}');
    const caller = authenticate(config, { authorization: undefined, tenant: undefined });
    expect(isStillKnown(config, caller)).toBe(true);
    await write(`auth: { keys: [{ id: n, role: node, hash: '${newKey().hash}' }] }`);
    reload.reload('SIGHUP');
    expect(isStillKnown(config, caller)).toBe(false);
  });

  it('leaves the limits of a tenant whose identity rules changed with them, since they name users by other rules', async () => {
    const { config, reload } = await start('limits: { max_sessions_per_user: 1 }');
    await write('identity: { case: keep }\nlimits: { max_sessions_per_user: 2, user_session_limits: { Alice: 7 } }');
    reload.reload('SIGHUP');
    expect(config.tenants.default.limits).toMatchObject({ maxSessionsPerUser: 1, users: { anonymous: 0 } });
    expect(messages()).toContain(
      'The limits of tenant default wait for the restart that its identity takes: they name users by other rules',
    );
    expect(logged.find(({ settings }) => settings !== undefined)).toMatchObject({ settings: ['identity.case'] });
  });

  it('is what the environment says, where that says something: it cannot change', async () => {
    const { config, reload } = await start('limits: {}', { MAX_SESSIONS_PER_USER: '4', BERTH_LOG_LEVEL: 'info' });
    await write('limits: { max_sessions_per_user: 9 }\nlogging: { level: error }\n');
    reload.reload('SIGHUP');
    expect([config.tenants.default.limits.maxSessionsPerUser, config.logging.level]).toEqual([4, 'info']);
  });

  it('that is written in place is not taken half-written', async () => {
    const { config } = await start('limits: { max_sessions_per_user: 1, user_session_limits: { alice: 3 } }');
    const lines = [
      'limits:\n',
      '  max_sessions_per_user: 2\n',
      '  user_session_limits:\n',
      '    alice: 4\n',
      '    bob: 5\n',
    ];
    const seen = new Set<unknown>();
    for (let written = 1; written <= lines.length; written += 1) {
      await write(lines.slice(0, written).join(''));
      // A look falls between any two of these; each finds another file than the one before.
      const until = performance.now() + 2_100;
      await eventually(() => {
        seen.add(JSON.stringify(config.tenants.default.limits.users));
        return performance.now() > until;
      });
    }
    await eventually(() => config.tenants.default.limits.users?.['bob'] === 5, { timeoutMs: 10_000 });
    expect(seen.size).toBe(1);
    expect(messages()).toEqual(['Configuration read again']);
  });

  it('names no user in what it logs', async () => {
    const { reload } = await start('limits: { user_session_limits: { alice: 3 }, groups: { trunk: { default: 1 } } }');
    await write('limits: { user_session_limits: { alice: 4, bob: 1 }, groups: { trunk: { overrides: { west: 2 } } } }');
    reload.reload('SIGHUP');
    expect(logged[0]).toMatchObject({ changed: ['limits.user_session_limits', 'limits.groups'] });
    expect(JSON.stringify(logged)).not.toMatch(/alice|bob|west/);
  });

  it.each([
    ['an alias of nothing', 'limits: *nothing'],
    ['an alias of itself', 'limits: &limits { classes: *limits }'],
    ['a key that is a list', '? [limits]\n: {}'],
  ])('ends nothing where it is %s', async (_what, yaml) => {
    const { config, reload } = await start('limits: { max_sessions_per_user: 1 }');
    await write(yaml);
    reload.reload('SIGHUP');
    expect(config.tenants.default.limits.maxSessionsPerUser).toBe(1);
    expect(logged).toMatchObject([{ level: 'error', file: 'berth.yaml', cause: 'SIGHUP' }]);
  });

  it('ends nothing where a part fails over it', async () => {
    const { reload } = await start('limits: { max_sessions_per_user: 1 }');
    reload.onApplied(() => {
      throw new TypeError('a bug');
    });
    await write('limits: { max_sessions_per_user: 2 }');
    reload.reload('SIGHUP');
    expect(logged).toMatchObject([{ level: 'error', message: 'The configuration cannot be read again' }]);
  });

  it('reads nothing any more once the process stops', async () => {
    const { config, reload } = await start('limits: { max_sessions_per_user: 1 }');
    reload.onModuleDestroy();
    await write('limits: { max_sessions_per_user: 2 }');
    reload.reload('SIGHUP');
    expect(config.tenants.default.limits.maxSessionsPerUser).toBe(1);
  });

  it('is looked after where there was no file at the start', async () => {
    const files = new ConfigFiles(dir);
    const reading = readConfig({ env: {}, cwd: dir, files });
    const logger = createLogger(reading.config, 'test', { write: (line) => logged.push(JSON.parse(line) as never) });
    const reload = new ConfigReload(reading.config, logger);
    open.push(reload);
    reload.watch(reading, files.digests, { env: {}, cwd: dir });
    await write('limits: { max_sessions_per_user: 3 }');
    await eventually(() => reading.config.tenants.default.limits.maxSessionsPerUser === 3, { timeoutMs: 10_000 });
  });
});

describe('the settings that changed', () => {
  const settingsOf = async (yaml: Record<string, unknown>) => {
    await write(JSON.stringify(yaml));
    return readConfig({ env: {}, cwd: dir }).settings;
  };

  it.each([
    [{ limits: { max_total_sessions: 3 } }, ['limits.max_total_sessions'], true],
    [{ sessions: { sip: { idle_timeout: 3 } } }, ['sessions.sip'], true],
    [{ identity: { anonymous: 3 } }, ['identity.anonymous'], true],
    [{ redis: { max_sessions_per_user: 3 } }, ['redis.max_sessions_per_user'], true],
    [
      { tenants: { default: { limits: { max_total_sessions: 3 } } } },
      ['tenants.default.limits.max_total_sessions'],
      true,
    ],
    [{ tenants: { default: { identity: { domain: 'keep' } } } }, ['tenants.default.identity.domain'], false],
    [{ redis: { host: 'other' } }, ['redis.host'], false],
    [{ identity: { case: 'keep' } }, ['identity.case'], false],
    [{ metrics: { port: 9464 } }, ['metrics.port'], false],
    [{ http: { trusted_proxies: ['10.0.0.1'] } }, ['http.trusted_proxies'], false],
    [{ history: { batch_size: 3 } }, ['history.batch_size'], false],
  ])('%j', async (yaml, paths, takenOver) => {
    const changed = changedSettings(await settingsOf({}), await settingsOf(yaml));
    expect([changed, changed.every(isTakenOver)]).toEqual([paths, takenOver]);
  });

  it('of a tenant that is there are distinguished', async () => {
    const before = await settingsOf({ tenants: { one: { shards: 1 } } });
    const now = await settingsOf({ tenants: { one: { shards: 2, limits: { max_sessions_per_user: 3 } } } });
    const changed = changedSettings(before, now);
    expect(changed).toEqual(['tenants.one.shards', 'tenants.one.limits.max_sessions_per_user']);
    expect(changed.map(isTakenOver)).toEqual([false, true]);
  });
});
