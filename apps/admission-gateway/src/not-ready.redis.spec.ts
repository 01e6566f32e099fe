import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { shardKeys, tenantKeys } from '#session-core';
import { describeWith, eventually, freePort, startRedis, startRedisCluster, type RedisServer } from '#testing';

import { startGateway, stopGateways, type Answer, type Gateway } from './gateway.fixture.js';

const CONFIG = 'store: { decision_deadline_ms: 250 }\nlimits: { max_sessions_per_user: 5 }\n';
const KEYS = shardKeys({ name: 'default', shards: 1 }, 0);
const SOON = { timeoutMs: 20_000 };
/** `not ready` may take five seconds, as it is meant to, and a busy machine. */
const IN_TIME_MS = 60_000;

let redis: RedisServer;
let client: Redis;

beforeEach(async () => {
  redis = await startRedis();
  client = redis.client();
});
afterEach(async () => {
  redis.resume();
  await stopGateways();
  await redis.stop();
});

const ready = (gateway: Gateway) => gateway.get('/health/ready');
const warnings = ({ log }: Gateway, message: string) => log.filter((line) => line['message'] === message);
const causeIn = ({ body }: Answer): string => {
  const { failing = [] } = (body['checks'] as { redis: { failing?: { cause: string }[] } }).redis;
  return failing.map(({ cause }) => cause).join();
};

/** An admission is 503, and the answer, the health and the log say the same sentence, which contains this. */
async function saysEverywhere(gateway: Gateway, sentence: string): Promise<void> {
  await eventually(async () => {
    const answer = await gateway.admit();
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { code: 'store-unavailable', detail: expect.stringContaining(sentence), sip: { code: 503 } },
    });
    const health = await ready(gateway);
    expect(health.body['status']).not.toBe('ok');
    expect(causeIn(health)).toContain(sentence);
    expect(JSON.stringify(health.body)).not.toMatch(/127\.0\.0\.1|localhost/);
    const lines = warnings(gateway, 'Decisions fail');
    expect(lines.map(({ cause }) => cause).join()).toContain(sentence);
    expect(lines[0]).toMatchObject({ level: 'warn', shards: ['default/0'] });
  }, SOON);
}

async function worksAgain(gateway: Gateway): Promise<void> {
  await eventually(async () => {
    expect((await gateway.admit({ user: `user-${Math.random()}` })).status).toBe(201);
    expect((await ready(gateway)).body).toMatchObject({ checks: { redis: { status: 'ok' } } });
    expect(warnings(gateway, 'Decisions work again').at(-1)).toMatchObject({ level: 'warn', shards: ['default/0'] });
  }, SOON);
}

interface Fault {
  sentence: string;
  begin: () => Promise<unknown>;
  end: () => Promise<unknown>;
}
const setting = (name: string, bad: string, good: string) => ({
  begin: () => client.config('SET', name, bad),
  end: () => client.config('SET', name, good),
});
const foreign = (key: string) => ({
  begin: async () => {
    await client.del(key);
    await client.set(key, 'foreign');
  },
  end: () => client.del(key),
});
const others = () => client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

const FAULTS: Record<string, Fault> = {
  'READONLY, a demoted master': {
    sentence: 'read-only replica',
    begin: () => client.replicaof('127.0.0.1', 1),
    end: () => client.replicaof('NO', 'ONE'),
  },
  NOREPLICAS: { sentence: 'min-replicas-to-write', ...setting('min-replicas-to-write', '1', '0') },
  OOM: { sentence: 'out of memory', ...setting('maxmemory', '1mb', '0') },
  NOPERM: {
    sentence: "The ACL of Berth's user",
    begin: () => client.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval'),
    end: () => client.call('ACL', 'SETUSER', 'default', '+evalsha', '+eval'),
  },
  NOAUTH: {
    sentence: 'Redis wants a password',
    begin: async () => {
      await client.config('SET', 'requirepass', 'secret');
      await others();
    },
    end: () => client.config('SET', 'requirepass', ''),
  },
  'WRONGTYPE of a key of the shard': { sentence: 'foreign type', ...foreign(KEYS.deadlines) },
  'WRONGTYPE of a key that admissions only write': { sentence: 'foreign type', ...foreign(KEYS.users) },
  refused: {
    sentence: 'Nothing listens where Redis should be',
    begin: () => redis.kill(),
    end: () => redis.restart(),
  },
  'timed out': {
    sentence: 'Redis gave no answer in time',
    begin: () => Promise.resolve(redis.pause()),
    end: () => Promise.resolve(redis.resume()),
  },
};

describe('ready while nothing works', () => {
  it.each(Object.keys(FAULTS))(
    'is shown with cause and remedy in answers, health and log: %s',
    async (name) => {
      const { sentence, begin, end } = FAULTS[name]!;
      const gateway = await startGateway(redis, { configYaml: CONFIG });
      expect((await gateway.admit()).status).toBe(201);
      expect((await ready(gateway)).body['status']).toBe('ok');
      await begin();
      await saysEverywhere(gateway, sentence);
      await end();
      await worksAgain(gateway);
    },
    IN_TIME_MS,
  );

  it(
    'is 200 and degraded at first, and 503 when none can be decided for five seconds',
    async () => {
      const gateway = await startGateway(redis, { configYaml: CONFIG });
      await client.replicaof('127.0.0.1', 1);
      const [seenAt, statuses] = [performance.now(), new Set<string>()];
      await eventually(
        async () => {
          const { status, body } = await ready(gateway);
          statuses.add(`${status} ${String(body['status'])}`);
          expect(status).toBe(503);
        },
        { timeoutMs: 30_000 },
      );
      expect(performance.now() - seenAt).toBeGreaterThan(4_900);
      expect([...statuses].filter((status) => status !== '200 ok')).toEqual(['200 degraded', '503 failed']);
      await client.replicaof('NO', 'ONE');
      await eventually(async () => expect((await ready(gateway)).status).toBe(200), SOON);
    },
    IN_TIME_MS,
  );

  it(
    'is 200 and degraded, and names the shard, while another shard or tenant can be decided',
    async () => {
      const yaml = `${CONFIG}tenants: { default: {}, acme: { shards: 2 } }\n`;
      const gateway = await startGateway(redis, { configYaml: yaml });
      await client.set(shardKeys({ name: 'acme', shards: 2 }, 1).nodes, 'foreign');
      await eventually(async () => {
        const { status, body } = await ready(gateway);
        expect([status, body]).toMatchObject([
          200,
          {
            status: 'degraded',
            checks: {
              redis: { failing_shards: 1, failing: [{ tenant: 'acme', shard: 1, cause: expect.any(String) }] },
            },
          },
        ]);
      }, SOON);
      expect((await gateway.admit()).status).toBe(201);
    },
    IN_TIME_MS,
  );

  it('is degraded for a key of a foreign type that only one user has, while others are admitted', async () => {
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    await client.set(KEYS.userSessions('bob'), 'foreign');
    expect(await gateway.admit({ user: 'bob' })).toMatchObject({
      status: 503,
      body: { code: 'store-unavailable', detail: expect.stringContaining('foreign type') },
    });
    for (let call = 0; call < 4; call += 1) expect((await gateway.admit({ user: 'ann' })).status).toBe(201);
    expect((await ready(gateway)).body).toMatchObject({
      status: 'degraded',
      checks: { redis: { failing: [{ tenant: 'default', shard: 0 }] } },
    });
    expect(await client.zcard(KEYS.deadlines)).toBe(4);
  });

  it('asks Redis for nobody who reads the health', async () => {
    const gateway = await startGateway(redis, { configYaml: CONFIG });
    const commands = async () => Number(/^total_commands_processed:(\d+)/m.exec(await client.info('stats'))?.[1]);
    const before = await commands();
    for (let i = 0; i < 1_000; i += 1) await ready(gateway);
    expect((await commands()) - before).toBeLessThan(500);
  });
});

/** A gateway that starts with this is not ready, and says why in answers, health and log. */
async function saysAtStart(url: string, sentence: string): Promise<void> {
  const gateway = await startGateway({ url } as RedisServer, { configYaml: CONFIG });
  await eventually(async () => {
    const { status, body } = await ready(gateway);
    expect([status, body]).toMatchObject([
      503,
      { checks: { tenants: { status: 'failed', message: expect.stringContaining(sentence) } } },
    ]);
    expect(JSON.stringify(body)).not.toMatch(/127\.0\.0\.1|localhost|secret/);
    expect(await gateway.admit()).toMatchObject({
      status: 503,
      body: { code: 'store-unavailable', detail: expect.stringContaining(sentence) },
    });
    const [line] = gateway.log.filter(({ cause }) => String(cause).includes(sentence));
    expect(line).toMatchObject({ level: expect.stringMatching(/warn|error/) });
  }, SOON);
}

describe('a start that finds nothing to work with', () => {
  it(
    'says that a password is wrong',
    async () => {
      await client.config('SET', 'requirepass', 'secret');
      await saysAtStart(redis.url.replace('//', '//:wrong@'), 'refuses the password');
    },
    IN_TIME_MS,
  );

  it(
    'says that a password is missing',
    async () => {
      await client.config('SET', 'requirepass', 'secret');
      await saysAtStart(redis.url, 'wants a password');
    },
    IN_TIME_MS,
  );

  it(
    'says that a cluster needs mode: cluster',
    async () => {
      const cluster = await startRedisCluster();
      try {
        const owner = await cluster.masterOf(await cluster.slotOf(tenantKeys('default').registration));
        const other = cluster.nodes.find((node) => node !== owner);
        await saysAtStart(other?.server.url ?? '', 'redis.mode: cluster');
        await stopGateways();
      } finally {
        await cluster.stop();
      }
    },
    IN_TIME_MS,
  );

  it(
    'says that mode: cluster needs a cluster',
    async () => {
      await saysAtStart(redis.url.replace('redis:', 'redis+cluster:'), 'Redis is no cluster');
    },
    IN_TIME_MS,
  );

  it(
    'says that the server does not speak TLS',
    async () => {
      await saysAtStart(redis.url.replace('redis:', 'rediss:'), 'whether the server speaks TLS');
    },
    IN_TIME_MS,
  );

  it(
    'says that a host name is not known',
    async () => {
      await saysAtStart('redis://berth.invalid:6379', 'host name of Redis');
    },
    IN_TIME_MS,
  );
});

describeWith(['openssl'], 'a start with TLS', () => {
  it(
    'says that the certificate is not trusted, and works once its authority is',
    async () => {
      const dir = await mkdtemp(join(tmpdir(), 'berth-tls-'));
      const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
      const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
      const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
      await promisify(execFile)('openssl', [...request, ...names, '-keyout', key, '-out', cert]);
      const port = await freePort();
      const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
      const server = await startRedis({ args: ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files] });
      try {
        await saysAtStart(`rediss://localhost:${port}`, 'The certificate of Redis is not trusted');
        // A client that speaks no TLS is cut off without a word.
        await saysAtStart(`redis://localhost:${port}`, 'see whether the server wants TLS');
        const trusting = `${CONFIG}redis: { tls: { ca_file: ${JSON.stringify(cert)} } }\n`;
        const gateway = await startGateway({ url: `rediss://localhost:${port}` } as RedisServer, {
          configYaml: trusting,
        });
        expect((await gateway.admit()).status).toBe(201);
        await stopGateways();
      } finally {
        await server.stop();
        await rm(dir, { recursive: true, force: true });
      }
    },
    IN_TIME_MS,
  );
});
