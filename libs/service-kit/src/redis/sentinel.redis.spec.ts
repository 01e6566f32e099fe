import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';

import { loadConfig } from '#config';
import { storeFaultOf } from '#session-core';
import {
  describeWith,
  eventually,
  startRedis,
  startSentinel,
  type RedisSentinel,
  type RedisSentinelOptions,
  type RedisServer,
} from '#testing';

import { createLogger } from '../logging/logger.js';
import { connectRedis, type RedisPurpose } from './connect-redis.js';
import { logConnection } from './connection-log.js';
import { closeRedis, whenReady } from './redis-lifecycle.js';

describeWith(['redis-server', 'openssl'], 'sentinels with a password, a user or TLS of their own', () => {
  let master: RedisServer;
  let dir: string;
  let tls: { cert: string; key: string };
  const sentinels: RedisSentinel[] = [];
  const open: (Redis | Cluster)[] = [];

  beforeAll(async () => {
    master = await startRedis({ args: ['--requirepass', 'of-redis'] });
    dir = await mkdtemp(join(tmpdir(), 'berth-sentinel-spec-'));
    tls = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    await promisify(execFile)('openssl', [...request, ...names, '-keyout', tls.key, '-out', tls.cert]);
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map(closeRedis));
    await Promise.all(sentinels.splice(0).map((started) => started.stop()));
  });

  afterAll(async () => {
    await master?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  async function sentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
    const lines = ['sentinel auth-pass mymaster of-redis', ...(options.lines ?? [])];
    const started = await startSentinel(master.port, { ...options, lines });
    sentinels.push(started);
    return started;
  }

  async function configOf({ port }: RedisSentinel, yaml: string, env: Record<string, string> = {}) {
    const file = join(dir, 'berth.yaml');
    await writeFile(file, yaml);
    const url = `redis+sentinel://:of-redis@localhost:${port}/mymaster`;
    return loadConfig({ env: { BERTH_CONFIG: file, BERTH_REDIS_URL: url, ...env }, cwd: dir });
  }

  async function connect(
    of: RedisSentinel,
    yaml: string,
    { env, purpose = 'decisions' }: { env?: Record<string, string>; purpose?: RedisPurpose } = {},
  ) {
    const config = await configOf(of, yaml, env);
    const log: Record<string, unknown>[] = [];
    const logger = createLogger(config, 'test', { write: (line) => log.push(JSON.parse(line) as never) });
    const errors: Error[] = [];
    const say = logConnection(logger, purpose, config.redis);
    const onError = (error: Error) => {
      errors.push(error);
      say(error);
    };
    const redis = connectRedis(config.redis, { purpose, onError });
    open.push(redis);
    return { redis, errors, log };
  }

  async function serves(...list: Parameters<typeof connect>): Promise<void> {
    const { redis } = await connect(...list);
    expect(await whenReady(redis, 20_000)).toBe(true);
    expect(await redis.set('found', 1)).toBe('OK');
  }

  /** The error and the log line of a connection that does not come about. */
  async function fails(...list: Parameters<typeof connect>) {
    const { errors, log } = await connect(...list);
    await eventually(() => expect(errors.length).toBeGreaterThan(0));
    return { sentence: storeFaultOf(errors[0])?.sentence, line: log[0] };
  }

  it.each(['decisions', 'queue', 'streams'] as const)('are used with their password: %s', async (purpose) => {
    const of = await sentinel({ lines: ['requirepass of-sentinels'] });
    await serves(of, 'redis: { sentinel: { password: of-sentinels } }', { purpose });
  });

  it('are used with a user', async () => {
    const of = await sentinel({
      lines: ['user default off', 'user berth on >of-sentinels &* -@all +@connection +sentinel +subscribe'],
    });
    await serves(of, 'redis: { sentinel: { username: berth, password: of-sentinels } }');
  });

  it('are used with TLS, and plain ones beside TLS of nobody', async () => {
    await serves(await sentinel(), '');
    const of = await sentinel({ tls });
    await serves(of, `redis: { sentinel: { tls: { ca_file: ${JSON.stringify(tls.cert)} } } }`);
  });

  it('are used with password, user and TLS by environment, which wins', async () => {
    const of = await sentinel({ tls, lines: ['user default off', 'user berth on >of-sentinels ~* &* +@all'] });
    const env = {
      BERTH_SENTINEL_USERNAME: 'berth',
      BERTH_SENTINEL_PASSWORD: 'of-sentinels',
      BERTH_SENTINEL_TLS: 'true',
    };
    const file = { username: 'other', password: 'wrong', tls: { enabled: false, ca_file: tls.cert } };
    await serves(of, JSON.stringify({ redis: { sentinel: file } }), { env });
  });

  it('never get the password of Redis', async () => {
    const of = await sentinel({ lines: ['requirepass of-redis'] });
    expect((await fails(of, '')).sentence).toContain('redis.sentinel.password');
  });

  it('are named as configured in the log, with what to set, and not in what health says', async () => {
    const of = await sentinel({ tls, lines: ['requirepass of-sentinels'] });
    const trusting = `tls: { ca_file: ${JSON.stringify(tls.cert)} }`;
    const missing = await fails(of, `redis: { sentinel: { ${trusting} } }`);
    const wrong = await fails(of, `redis: { sentinel: { ${trusting}, password: wrong-one } }`);
    const untrusted = await fails(of, 'redis: { sentinel: { tls: true, password: of-sentinels } }');
    const plain = await fails(of, 'redis: { sentinel: { password: of-sentinels } }');
    const [setPassword, setTls] = ['redis.sentinel.password (BERTH_SENTINEL_PASSWORD)', 'redis.sentinel.tls'];
    for (const [failure, sentence] of [
      [missing, setPassword],
      [wrong, setPassword],
      [untrusted, setTls],
      [plain, setTls],
    ] as const) {
      expect(failure.sentence).toContain(sentence);
      expect(failure.sentence).not.toMatch(/localhost|127\.0\.0\.1/);
      expect(failure.line).toMatchObject({
        message: 'Redis connection lost',
        configured: [`localhost:${of.port}`],
        cause: failure.sentence,
      });
      expect(JSON.stringify(failure.line)).not.toMatch(/wrong-one|of-sentinels|of-redis/);
    }
  });

  it('that speak no TLS say so', async () => {
    const failure = await fails(await sentinel(), 'redis: { sentinel: { tls: true } }');
    expect(failure.sentence).toContain('whether they speak TLS (redis.sentinel.tls)');
  });

  it('with a user but no password are refused at start', async () => {
    await expect(configOf(await sentinel(), 'redis: { sentinel: { username: berth } }')).rejects.toThrow(
      'redis.sentinel.username: found without redis.sentinel.password, expected both',
    );
  });
});
