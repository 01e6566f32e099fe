import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as elapsed } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { newKey } from '#service-kit';
import {
  eventually,
  startBerth,
  startProcess,
  startRedis,
  type Berth,
  type BerthAppName,
  type RedisServer,
} from '#testing';

/** The promise: a change is in force within so long. */
const IN_FORCE = { timeoutMs: 10_000 };

let redis: RedisServer;
let dir: string;
let file: string;
let berth: Berth | undefined;
let user = 0;

beforeAll(async () => {
  redis = await startRedis();
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-reload-'));
  file = join(dir, 'berth.yaml');
});

afterEach(async () => {
  await berth?.stop();
  berth = undefined;
  await redis.client().flushall();
  await rm(dir, { recursive: true, force: true });
});

afterAll(async () => {
  await redis?.stop();
});

async function start(yaml: string, apps: BerthAppName[] = ['admission-gateway'], gateways = 1): Promise<void> {
  await writeFile(file, yaml);
  await startAt(file, apps, gateways);
}

async function startAt(path: string, apps: BerthAppName[] = ['admission-gateway'], gateways = 1): Promise<void> {
  berth = await startBerth({ redisUrl: redis.url, apps, gateways, env: { BERTH_CONFIG: path } });
}

/** As editors and deployments do it: a new file under the old name. */
async function replace(yaml: string): Promise<void> {
  await writeFile(`${file}.new`, yaml);
  await rename(`${file}.new`, file);
}

const limits = (max: number, more = '') => `limits: { max_sessions_per_user: ${max} }\n${more}`;
const gateway = () => berth!.app('admission-gateway');

function lines(app = gateway()): Record<string, unknown>[] {
  const written = app.process.output().split('\n');
  return written.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
}

const logged = (message: string, app = gateway()) => lines(app).filter((line) => line['message'] === message);
const REFUSED = 'The changed configuration is refused; everything stays as it was';
const READ = 'Configuration read again';

async function admit(
  of: string,
  key?: string,
): Promise<{ status: number; body: { session: { endsBy: string; startedAt: string } } }> {
  const answer = await fetch(`${gateway().url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ user: of }),
  });
  return { status: answer.status, body: (await answer.json()) as never };
}

/** How many sessions a user who has none may have, as far as three. */
async function limitInForce(): Promise<number> {
  const name = `user-${(user += 1)}`;
  let admitted = 0;
  while (admitted < 3 && (await admit(name)).status === 201) admitted += 1;
  return admitted;
}

describe('a new limit is in force within 10 s after the file changed', () => {
  it('by rename', async () => {
    await start(limits(1));
    expect(await limitInForce()).toBe(1);
    await replace(limits(2));
    await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
    await eventually(() => logged(READ).length === 1);
    expect(logged(READ)[0]).toMatchObject({ file, changed: ['limits.max_sessions_per_user'], cause: 'file' });
  });

  it('by the swap of a symbolic link, as a ConfigMap of Kubernetes changes', async () => {
    const write = async (name: string, yaml: string) => {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, 'berth.yaml'), yaml);
    };
    await write('..2026_1', limits(1));
    await symlink('..2026_1', join(dir, '..data'));
    await symlink(join('..data', 'berth.yaml'), file);
    await startAt(file);
    expect(await limitInForce()).toBe(1);
    await write('..2026_2', limits(2));
    await symlink('..2026_2', join(dir, '..data_tmp'));
    await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    await rm(join(dir, '..2026_1'), { recursive: true });
    await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
  });

  it('by SIGHUP, at once', async () => {
    await start(limits(1));
    expect(await limitInForce()).toBe(1);
    await replace(limits(2));
    gateway().process.signal('SIGHUP');
    await eventually(() => logged(READ).length === 1, IN_FORCE);
    await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
    expect(logged(READ)[0]).toMatchObject({ cause: 'SIGHUP' });
  });

  it('and what was set by the API still wins over the file', async () => {
    await start(`${limits(1)}history: { storage: memory }\n`, ['admission-gateway', 'limits-admin']);
    const set = await fetch(`${berth!.app('limits-admin').url}/api/sessions/limits/boss`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: '{"limit":3}',
    });
    expect(set.status).toBe(200);
    await replace(
      `limits: { max_sessions_per_user: 2, user_session_limits: { boss: 1 } }\nhistory: { storage: memory }\n`,
    );
    await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
    const statuses = [];
    for (let call = 0; call < 4; call += 1) statuses.push((await admit('boss')).status);
    expect(statuses).toEqual([201, 201, 201, 429]);
  });
});

it('a bad file changes nothing and is logged once, with its path, and SIGHUP kills nobody', async () => {
  await start(limits(1));
  await replace('limits: { max_sessions_per_user: 2, ');
  await eventually(() => logged(REFUSED).length > 0, IN_FORCE);
  expect(logged(REFUSED)[0]).toMatchObject({ level: 'error', file, problems: [expect.stringContaining('not YAML')] });
  await elapsed(4_500); // for two more looks, which must say nothing more
  expect(logged(REFUSED)).toHaveLength(1);
  expect(await limitInForce()).toBe(1);
  await replace('limits: { max_sessions_per_user: many }');
  gateway().process.signal('SIGHUP');
  await eventually(() => logged(REFUSED).length === 2, IN_FORCE);
  expect(logged(REFUSED)[1]).toMatchObject({
    file,
    problems: [expect.stringContaining('limits.max_sessions_per_user: found "many", expected a whole number')],
  });
  expect(await limitInForce()).toBe(1);
  await replace(limits(2));
  await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
});

/** Linux tells which signals a process catches. */
const itOnLinux = process.platform === 'linux' ? it : it.skip;

itOnLinux('SIGHUP does not end an app that is still being loaded', async () => {
  await writeFile(file, limits(1));
  const app = await startProcess(process.execPath, [resolve('dist/apps/session-reaper/src/main.js')], {
    cwd: dir,
    env: { NODE_OPTIONS: undefined, BERTH_REDIS_URL: redis.url, BERTH_CONFIG: file, BERTH_REAPER_PORT: '0' },
  });
  try {
    await eventually(
      async () => {
        const caught = /^SigCgt:\s*([\da-f]+)$/m.exec(await readFile(`/proc/${app.pid}/status`, 'utf8'))?.[1] ?? '0';
        return (BigInt(`0x${caught}`) & 1n) === 1n;
      },
      { intervalMs: 1 },
    );
    expect(app.output()).not.toContain('"Listening"');
    app.signal('SIGHUP');
    await eventually(() => app.output().includes('"Listening"'));
  } finally {
    await app.kill();
  }
});

it('a file that is gone, or cut off to nothing, takes no keys and limits away', async () => {
  await start(limits(1));
  await rm(file);
  await eventually(() => logged(REFUSED).length === 1, IN_FORCE);
  await writeFile(file, '');
  await eventually(() => logged(REFUSED).length === 2, IN_FORCE);
  expect(logged(REFUSED).map(({ problems }) => problems)).toEqual([
    [expect.stringContaining('there is no such file')],
    [expect.stringContaining('says nothing any more')],
  ]);
  expect(await limitInForce()).toBe(1);
});

it('the level of the log changes', async () => {
  await start(limits(1, 'logging: { level: warn }\n'));
  await limitInForce();
  await replace(limits(1, 'logging: { level: info }\n'));
  await eventually(async () => {
    await limitInForce();
    return logged('Session created').length > 0;
  }, IN_FORCE);
  expect(lines()[0]).toMatchObject({ message: READ, changed: ['logging.level'] });
});

it('the policies of sessions hold for those that start from then on, in all apps', async () => {
  const policy = (seconds: number) =>
    `sessions: { sip: { session_timeout: ${seconds} } }\nhistory: { storage: memory }\n`;
  await start(policy(600), ['admission-gateway', 'limits-admin', 'session-reaper']);
  const lasts = async () => {
    const { startedAt, endsBy } = (await admit(`caller-${(user += 1)}`)).body.session;
    return (Date.parse(endsBy) - Date.parse(startedAt)) / 1_000;
  };
  expect(await lasts()).toBe(600);
  await replace(policy(60));
  await eventually(async () => (await lasts()) === 60, IN_FORCE);
  for (const app of berth!.apps) await eventually(() => logged(READ, app).length === 1, IN_FORCE);
});

it('a setting that takes a restart is named and not applied', async () => {
  await start(limits(1, 'nodes: { lease: 15 }\n'));
  await replace(limits(2, 'nodes: { lease: 30 }\nstore: { decision_deadline_ms: 300 }\ntenants: { new: {} }\n'));
  await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
  await eventually(() => logged('Settings that take a restart stay as they were').length === 1);
  expect(logged('Settings that take a restart stay as they were')[0]).toMatchObject({
    level: 'warn',
    settings: ['nodes.lease', 'store.decision_deadline_ms', 'tenants.new'],
  });
  const beat = await fetch(`${gateway().url}/v1/nodes/n1/heartbeat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ epoch: 1 }),
  });
  expect(JSON.stringify(await beat.json())).toContain('15');
  const ofNew = await fetch(`${gateway().url}/v1/sessions/x`, { headers: { 'berth-tenant': 'new' } });
  expect(ofNew.status).toBe(403);
});

it('two gateways that read one changed file do not warn of each other', async () => {
  await start(limits(1), ['admission-gateway'], 2);
  await replace(limits(2));
  for (const app of berth!.gateways) await eventually(() => logged(READ, app).length === 1, IN_FORCE);
  await eventually(async () => (await limitInForce()) === 2, IN_FORCE);
  const outputs = berth!.gateways.map(({ process }) => process.output());
  expect(outputs.filter((output) => output.includes('replaced different ones'))).toEqual([]);
});

describe('a key that was removed', () => {
  const [stays, goes] = [newKey(), newKey()];
  const auth = (...keys: { id: string; hash: string }[]) =>
    `auth:\n  keys:\n${keys.map(({ id, hash }) => `    - { id: ${id}, role: node, hash: '${hash}' }\n`).join('')}`;
  const both = auth({ id: 'stays', hash: stays.hash }, { id: 'goes', hash: goes.hash });

  async function stream(key: string): Promise<IncomingMessage> {
    const request = get(`${gateway().url}/v1/nodes/n1/commands`, { headers: { authorization: `Bearer ${key}` } });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    return response.resume();
  }

  it('is refused at once, its open command streams end, and those of others go on', async () => {
    await start(both);
    const [kept, ended] = [await stream(stays.key), await stream(goes.key)];
    const end = once(ended, 'end');
    let keptEnded = false;
    kept.once('end', () => (keptEnded = true));
    await replace(auth({ id: 'stays', hash: stays.hash }));
    gateway().process.signal('SIGHUP');
    await end;
    expect((await admit('alice', goes.key)).status).toBe(401);
    expect((await admit('alice', stays.key)).status).toBe(201);
    expect(keptEnded).toBe(false);
    kept.destroy();
  });

  it('is gone, too, where its id has another hash now', async () => {
    await start(both);
    const ended = once(await stream(goes.key), 'end');
    const renewed = newKey();
    await replace(auth({ id: 'stays', hash: stays.hash }, { id: 'goes', hash: renewed.hash }));
    await ended;
    const statuses = [goes, renewed].map(async ({ key }) => (await admit('alice', key)).status);
    expect(await Promise.all(statuses)).toEqual([401, 201]);
  });

  it('and a new one is known within 10 s', async () => {
    await start(auth({ id: 'stays', hash: stays.hash }));
    await replace(both);
    await eventually(async () => (await admit('alice', goes.key)).status === 201, IN_FORCE);
  });

  it('does not open a service to everybody where the last one goes away', async () => {
    await writeFile(file, auth({ id: 'stays', hash: stays.hash }));
    berth = await startBerth({
      redisUrl: redis.url,
      apps: ['admission-gateway'],
      env: { BERTH_CONFIG: file, BERTH_HOST: '0.0.0.0' },
    });
    await replace(limits(1));
    gateway().process.signal('SIGHUP');
    await eventually(() => logged(REFUSED).length === 1, IN_FORCE);
    expect(logged(REFUSED)[0]).toMatchObject({ problems: [expect.stringContaining('because auth.keys is empty')] });
    expect((await admit('alice')).status).toBe(401);
  });

  it('and keys for a tenant that takes a restart let nobody in, and open nothing', async () => {
    await start(both);
    await replace(
      `tenants: { later: {} }\nauth: { keys: [{ id: later, role: node, tenant: later, hash: '${goes.hash}' }] }\n`,
    );
    await eventually(async () => (await admit('alice', stays.key)).status === 401, IN_FORCE);
    expect((await admit('alice')).status).toBe(401);
    expect((await admit('alice', goes.key)).status).toBe(403);
  });
});
