import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as elapsed } from 'node:timers/promises';

import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';

import { inboxKeys, shardKeys, tenantKeys } from '#session-core';
import {
  describeWith,
  eventually,
  freePort,
  startBerth,
  startProcess,
  startRedis,
  startRedisCluster,
  type Berth,
  type BerthAppName,
  type ManagedProcess,
  type RedisServer,
} from '#testing';

jest.setTimeout(180_000);

const KEPT = 'identity: { case: keep, domain: keep }\n';
const FOLDED = 'identity: { case: fold, domain: drop }\n';
const APPS: BerthAppName[] = ['admission-gateway', 'session-reaper', 'limits-admin'];

let redis: RedisServer;
let folder: string;
const running: { stop(): Promise<unknown> }[] = [];

beforeEach(async () => {
  redis = await startRedis();
  folder = await mkdtemp(join(tmpdir(), 'berth-rekey-'));
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

const started = <T extends { stop(): Promise<unknown> }>(one: T): T => {
  running.push(one);
  return one;
};

const berthWith = async (configYaml: string, apps?: BerthAppName[], redisUrl = redis.url): Promise<Berth> =>
  started(await startBerth({ redisUrl, configYaml, ...(apps && { apps }) }));

async function tenantCommand(configYaml: string, words: string[], redisUrl = redis.url): Promise<ManagedProcess> {
  const config = join(folder, `berth-${await freePort()}.yaml`);
  await writeFile(config, configYaml);
  const env = { NODE_OPTIONS: undefined, BERTH_CONFIG: config, BERTH_REDIS_URL: redisUrl };
  return started(await startProcess(process.execPath, [resolve('scripts/tenant.mjs'), ...words], { env, cwd: folder }));
}

async function done(command: ManagedProcess): Promise<{ code: number | null; output: string }> {
  const { code } = await command.exited;
  return { code, output: command.output() };
}

const tenant = async (configYaml: string, ...words: string[]) => await done(await tenantCommand(configYaml, words));

async function call(
  url: string,
  body?: object,
  method = 'POST',
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

const admit = async (berth: Berth, sessionId: string, from: string) =>
  await call(`${berth.app('admission-gateway').url}/v1/sessions`, { sessionId, from, node: 'b2bua-1' });

describeWith(['redis-server'], 'a process with other identity rules than its tenant is registered with', () => {
  it('does not start, exits with 1 and says what to do: all three apps', async () => {
    await (await startBerth({ redisUrl: redis.url, apps: ['limits-admin'], configYaml: KEPT })).stop();
    const refusals = await Promise.all(
      APPS.map((app) =>
        startBerth({ redisUrl: redis.url, apps: [app], configYaml: FOLDED }).then(
          async (berth) => {
            await berth.stop();
            return `${app} started`;
          },
          (error: Error) => error.message,
        ),
      ),
    );
    for (const refusal of refusals) {
      expect(refusal).toContain('ended before it was ready (1)');
      expect(refusal).toContain(
        'Tenant default is registered with the identity rules case: keep, domain: keep, the configuration says case: fold, domain: drop.',
      );
      expect(refusal).toContain('npm run tenant -- rekey default');
    }
  });

  it('starts where the registration is from before rules were registered, and registers its own', async () => {
    await redis.client().hset(tenantKeys('default').registration, { shards: 1, created_at: 1 });
    await berthWith(KEPT, ['session-reaper']);
    expect(await redis.client().hgetall(tenantKeys('default').registration)).toEqual({
      shards: '1',
      created_at: '1',
      format: '1',
      case: 'keep',
      domain: 'keep',
    });
  });
});

describeWith(['redis-server'], 'npm run tenant -- rekey', () => {
  it('closes the tenant for every process, stays closed when it is killed, and is finished by a second run', async () => {
    const before = await berthWith(`${KEPT}limits: { max_sessions_per_user: 2 }\n`);
    const admin = before.app('limits-admin').url;
    for (const [id, from] of [
      ['a', 'sip:Ann@a.example'],
      ['b', 'sip:ann@b.example'],
      ['c', 'sip:ann@c.example'],
    ] as const) {
      expect(await admit(before, id, from)).toMatchObject({ status: 201 });
    }
    const killed = await tenantCommand(FOLDED, ['rekey']);
    await eventually(() => killed.output().includes('the tenant is closed') || !killed.running);
    await killed.kill();

    const closed = {
      status: 503,
      body: {
        code: 'store-unavailable',
        detail: expect.stringContaining('being changed from case: keep, domain: keep to case: fold, domain: drop'),
      },
    };
    const sessions = `${before.app('admission-gateway').url}/v1/sessions`;
    await eventually(async () => (await call(`${sessions}/a`, undefined, 'GET')).status === 503);
    expect(await admit(before, 'd', 'sip:dan@a.example')).toMatchObject(closed);
    expect(await call(`${sessions}/a`, undefined, 'GET')).toMatchObject(closed);
    expect(await call(`${sessions}/a`, undefined, 'DELETE')).toMatchObject(closed);
    await eventually(async () => (await call(`${admin}/api/sessions/limits`, undefined, 'GET')).status === 503);
    expect(await call(`${admin}/api/sessions/limits`, undefined, 'GET')).toMatchObject(closed);
    for (const { url } of before.apps) {
      await eventually(async () => (await fetch(`${url}/health/ready`)).status === 503, {
        what: `${url} to be unready`,
      });
    }

    // The inbox waits, and the reaper writes nothing: its pulse least of all.
    const event = { v: '1', type: 'session.ended', sessionId: 'a' };
    await redis.client().xadd(inboxKeys.events(0), '*', ...Object.entries(event).flat());
    const { pulse } = shardKeys({ name: 'default', shards: 1 }, 0);
    const felt = await redis.client().hget(pulse, 'at');
    await elapsed(2_500); // more than two pulses
    expect(await redis.client().hget(pulse, 'at')).toBe(felt);
    expect((await redis.client().xpending(inboxKeys.events(0), inboxKeys.group))[0]).toBe(1);

    expect(await tenant(FOLDED, 'show')).toMatchObject({
      code: 0,
      output: expect.stringContaining('closed: being changed to case: fold, domain: drop'),
    });
    expect(await tenant(KEPT, 'rekey')).toMatchObject({ code: 1, output: expect.stringMatching(/interrupted|killed/) });
    await before.stop();
    const after = await Promise.all([
      berthWith(`${FOLDED}limits: { max_sessions_per_user: 2 }\n`, ['session-reaper', 'limits-admin']),
      finished(),
    ]).then(([berth]) => berth);

    const gateway = await berthWith(`${FOLDED}limits: { max_sessions_per_user: 2 }\n`, ['admission-gateway']);
    // What waited in the inbox is applied: a has ended, and b and c are ann's two.
    await eventually(
      async () => {
        const { body } = await call(`${after.app('limits-admin').url}/api/sessions/active`, undefined, 'GET');
        return JSON.stringify(body).includes('"b"') && !JSON.stringify(body).includes('"a"');
      },
      { timeoutMs: 90_000 }, // another reaper had it in hand
    );
    expect(await admit(gateway, 'e', 'sip:ANN@e.example')).toMatchObject({ status: 429 });
    expect(await tenant(FOLDED, 'rekey')).toMatchObject({ code: 0, output: expect.stringContaining('nothing to do') });
  });

  /** Runs until the lease of the killed run is over. */
  async function finished(): Promise<void> {
    let output = '';
    await eventually(
      async () => {
        const run = await tenant(FOLDED, 'rekey');
        output = run.output;
        return run.code === 0;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
    expect(output).toContain('3 live sessions, of which');
    expect(output).toContain('1 users are above their limit, by 1 sessions in all: ann');
  }

  it('understands what it is asked, or exits with 2', async () => {
    const asked = [['frobnicate'], [], ['rekey', '--now'], ['--help'], ['show', 'nobody'], ['show'], ['rekey']];
    const answers = await Promise.all(asked.map(async (words) => await tenant(KEPT, ...words)));
    expect(answers).toEqual([
      { code: 2, output: expect.stringContaining('Found "frobnicate"') },
      { code: 2, output: expect.stringContaining('What to do is missing') },
      { code: 2, output: expect.stringContaining('Found "--now"') },
      { code: 0, output: expect.stringContaining('Usage') },
      { code: 1, output: expect.stringContaining('No tenant "nobody"') },
      { code: 0, output: expect.stringContaining('not registered') },
      { code: 1, output: expect.stringContaining('no tenant default') },
    ]);
    await redis.kill();
    expect(await tenant(KEPT, 'show')).toMatchObject({
      code: 1,
      output: expect.stringContaining('Redis does not answer'),
    });
  });

  it('bears a kill at any moment, and works on a Redis Cluster', async () => {
    const cluster = started(await startRedisCluster({ masters: 3 }));
    const client = cluster.client({ enableOfflineQueue: true });
    const acme = 'tenants: { default: { shards: 4 } }\nlimits: { max_sessions_per_user: 0 }\n';
    const before = await berthWith(KEPT + acme, ['admission-gateway'], cluster.url);
    const names = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? `User${i >> 2}` : `user${i >> 2}`));
    const calls = names.entries();
    const lane = async () => {
      for (const [i, name] of calls) {
        // A gateway that has just begun may not answer its first calls in time.
        await eventually(async () =>
          [200, 201].includes((await admit(before, `s${i}`, `sip:${name}@h${i % 3}.example`)).status),
        );
      }
    };
    await Promise.all(Array.from({ length: 4 }, lane));
    await before.stop();
    for (let run = 0; ; run++) {
      const command = await tenantCommand(FOLDED + acme, ['rekey'], cluster.url);
      if (run < 4) {
        await eventually(() => command.output().includes('is closed') || !command.running, { timeoutMs: 30_000 });
        await elapsed(2_400 + run * 150); // the wait for others, then somewhere in the work
        await command.kill();
      }
      const { code, output } = await done(command);
      if (code === 0 && !output.includes('nothing to do')) break;
      if (output.includes('nothing to do')) break;
      await client.del(tenantKeys('default').rekeyLease); // its ten seconds are over
      expect(run).toBeLessThan(10);
    }
    const after = await berthWith(FOLDED + acme, ['admission-gateway', 'limits-admin'], cluster.url);
    const found = new Map<string, string>();
    for (let cursor = ''; ;) {
      const query = `limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const { body } = await call(`${after.app('limits-admin').url}/api/sessions/active?${query}`, undefined, 'GET');
      const page = body['sessions'] as { id: string; user: string }[];
      for (const session of page) {
        expect(found.has(session.id)).toBe(false);
        found.set(session.id, session.user);
      }
      const next = body['nextCursor'] as string | null;
      if (next === null) break;
      cursor = next;
    }
    expect(found).toEqual(new Map(names.map((name, i) => [`s${i}`, name.toLowerCase()])));
  });
});
