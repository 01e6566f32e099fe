import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { afterEach, beforeEach, expect, it } from '@jest/globals';

import { shardKeys, tenantKeys } from '#session-core';
import {
  describeWith,
  endedAfterEach,
  eventually,
  freePort,
  startBerth,
  startProcess,
  startRedis,
  type BerthAppName,
  type ManagedProcess,
  type RedisServer,
} from '#testing';

const APPS: { app: BerthAppName }[] = [
  { app: 'admission-gateway' },
  { app: 'session-reaper' },
  { app: 'limits-admin' },
];
const PORTS = { 'admission-gateway': 'GATEWAY', 'session-reaper': 'REAPER', 'limits-admin': 'ADMIN' } as const;

const acmeWith = (shards: number) => `tenants: { acme: { shards: ${shards} } }`;

/** What stands on standard error; the log beside it is JSON. */
const EXPLANATION = new RegExp(
  String.raw`^(admission-gateway|session-reaper|limits-admin): .*Tenant acme was created with shards: 3 \(at 20\S+Z\), ` +
    String.raw`the configuration says 4\. The number is fixed, resharding is not supported: ` +
    String.raw`set tenants\.acme\.shards back to 3, or give the tenant a new name$`,
  'm',
);

let redis: RedisServer;
let folder: string;
const running = endedAfterEach<ManagedProcess>((process) => process.kill());

beforeEach(async () => {
  redis = await startRedis();
  folder = await mkdtemp(join(tmpdir(), 'berth-tenants-'));
});

afterEach(async () => {
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A process as soon as it listens, ready or not. */
async function listening(app: BerthAppName, configYaml: string): Promise<{ process: ManagedProcess; url: string }> {
  const config = join(folder, `${app}.yaml`);
  await writeFile(config, configYaml);
  const port = String(await freePort());
  const env = { BERTH_REDIS_URL: redis.url, BERTH_CONFIG: config, [`BERTH_${PORTS[app]}_PORT`]: port };
  const main = resolve('dist/apps', app, 'src/main.js');
  const started = await startProcess(process.execPath, [main], {
    cwd: folder,
    env: { NODE_OPTIONS: undefined, ...env },
    ready: { line: /"Listening"/ },
  });
  running.push(started);
  return { process: started, url: `http://127.0.0.1:${port}` };
}

/** Another process creates acme with three shards. */
async function createAcme(): Promise<void> {
  const creator = await startBerth({ redisUrl: redis.url, apps: ['limits-admin'], configYaml: acmeWith(3) });
  await creator.stop();
}

const statusOf = async (url: string, init: RequestInit = {}) => (await fetch(url, init)).status;
const askForAcme = (sessionId: string): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', 'berth-tenant': 'acme' },
  body: JSON.stringify({ sessionId, user: 'alice' }),
});

describeWith(['redis-server'], 'a process with another number of shards than its tenant was created with', () => {
  it.each(APPS)('does not start, exits with 1 and says what to do: $app', async ({ app }) => {
    await createAcme();
    const start = startBerth({ redisUrl: redis.url, apps: [app], configYaml: acmeWith(4) });
    const message = await start.then(
      async (berth) => {
        await berth.stop();
        return 'it started';
      },
      (error: Error) => error.message,
    );
    expect(message).toContain('ended before it was ready (1)');
    expect(message).toMatch(EXPLANATION);
    expect(await redis.client().keys(`${shardKeys({ name: 'acme', shards: 4 }, 3).prefix}*`)).toEqual([]);
  });

  it.each(APPS)('that could not ask at its start serves nothing of it, and ends when it can: $app', async ({ app }) => {
    await createAcme();
    await redis.client().call('SAVE');
    await redis.kill();
    const { process, url } = await listening(app, acmeWith(4));
    const ready = await fetch(`${url}/health/ready`);
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { checks: { tenants: { status: 'failed', tenants: expect.arrayContaining(['acme']) } } },
    ]);
    if (app === 'admission-gateway') expect(await statusOf(`${url}/v1/sessions`, askForAcme('call'))).toBe(503);

    await redis.restart();

    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.output()).toMatch(EXPLANATION);
    expect(process.output()).toMatch(/"level":"fatal".*Stopping: a tenant has another number of shards/);
    const client = redis.client();
    expect(await client.hget(tenantKeys('acme').registration, 'shards')).toBe('3');
    expect(await client.keys(`${shardKeys({ name: 'acme', shards: 4 }, 3).prefix}*`)).toEqual([]);
  });
});

describeWith(['redis-server'], 'a process that runs', () => {
  it('ends when its tenant was lost and another process has created it with another number of shards', async () => {
    const { process } = await listening('session-reaper', acmeWith(4));
    // In one step, or it would be created as it was.
    const { registration } = tenantKeys('acme');
    await redis.client().multi().flushall().hset(registration, { shards: 3, created_at: Date.now() }).exec();
    expect(await process.exited).toEqual({ code: 1, signal: null });
    expect(process.output()).toMatch(EXPLANATION);
  });
});

describeWith(['redis-server'], 'processes with the right number of shards', () => {
  it('start, whichever of them is first, and a gateway that was there before Redis serves the tenant when Redis comes', async () => {
    await redis.kill();
    const { url } = await listening('admission-gateway', acmeWith(3));
    expect(await statusOf(`${url}/v1/sessions`, askForAcme('call'))).toBe(503);
    await redis.restart();
    await eventually(async () => (await statusOf(`${url}/health/ready`)) === 200);
    expect(await statusOf(`${url}/v1/sessions`, askForAcme('call'))).toBe(201);
    await createAcme();
  });

  it('go on after everything in Redis is lost', async () => {
    const berth = await startBerth({ redisUrl: redis.url, configYaml: acmeWith(3) });
    try {
      const url = `${berth.app('admission-gateway').url}/v1/sessions`;
      expect(await statusOf(url, askForAcme('before'))).toBe(201);
      await redis.client().flushall();
      expect(await statusOf(url, askForAcme('after'))).toBe(201);
      for (const { url: app } of berth.apps) {
        await eventually(async () => (await statusOf(`${app}/health/ready`)) === 200, { what: `${app} to be ready` });
      }
      const registered = () => redis.client().hget(tenantKeys('acme').registration, 'shards');
      await eventually(async () => (await registered()) === '3', { what: 'acme to be registered' });
      expect(berth.apps.every(({ process }) => process.running)).toBe(true);
    } finally {
      await berth.stop();
    }
  });
});
