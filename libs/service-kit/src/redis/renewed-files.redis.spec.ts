import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Cluster, Redis } from 'ioredis';

import { ConfigFiles, readConfig } from '#config';
import { describeWith, eventually, freePort, makeAuthority, startRedis, type RedisServer } from '#testing';

import { createLogger } from '../logging/logger.js';
import { ConfigReload } from '../reload/config-reload.service.js';
import { connectRedis } from './connect-redis.js';
import { closeRedis } from './redis-lifecycle.js';

describeWith(['redis-server', 'openssl'], 'the PEM files of Redis', () => {
  let dir: string;
  let server: RedisServer | undefined;
  let reload: ConfigReload | undefined;
  const connections: (Redis | Cluster)[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'berth-redis-files-'));
  });

  afterEach(async () => {
    reload?.onModuleDestroy();
    await Promise.all(connections.splice(0).map(closeRedis));
    await server?.stop();
  });

  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  it('hold for the next connection once they are renewed, of its authority and of the client', async () => {
    const old = await makeAuthority(dir, 'old');
    const [redis, client] = [await old.issue('redis'), await old.issue('client')];
    const port = await freePort();
    const files = [
      '--tls-cert-file',
      redis.certFile,
      '--tls-key-file',
      redis.keyFile,
      '--tls-ca-cert-file',
      old.caFile,
    ];
    server = await startRedis({ args: ['--tls-port', String(port), '--tls-auth-clients', 'yes', ...files] });
    const tls = { ca_file: old.caFile, cert_file: client.certFile, key_file: client.keyFile };
    await writeFile(join(dir, 'berth.yaml'), JSON.stringify({ redis: { url: `rediss://localhost:${port}`, tls } }));
    const source = { env: {}, cwd: dir };
    const read = new ConfigFiles(dir);
    const reading = readConfig({ ...source, files: read });
    const logged: string[] = [];
    const logger = createLogger(reading.config, 'test', { write: (line) => logged.push(line) });
    reload = new ConfigReload(reading.config, logger);
    reload.watch(reading, read.digests, source);
    for (const purpose of ['decisions', 'streams'] as const) {
      connections.push(connectRedis(reading.config.redis, { purpose, onError: () => {} }));
    }
    const answering = async () =>
      (await Promise.all(connections.map((one) => one.ping()))).every((pong) => pong === 'PONG');
    await eventually(answering);

    const next = await makeAuthority(dir, 'next');
    for (const renewed of [redis, client]) {
      const { certFile, keyFile } = await next.issue('renewed');
      await rename(keyFile, renewed.keyFile);
      await rename(certFile, renewed.certFile);
    }
    await rename(next.caFile, old.caFile);
    await eventually(() => logged.some((line) => line.includes('Configuration read again')), { timeoutMs: 10_000 });
    await server.restart();
    await eventually(answering, { timeoutMs: 10_000 });
    // A duplicate, as queues make them, reads the same files.
    const duplicate = (connections[1] as Redis).duplicate();
    connections.push(duplicate);
    expect(await duplicate.ping()).toBe('PONG');
  });
});
