import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './free-port.js';
import { startProcess } from './managed-process.js';
import { findTool } from './tools.js';

export interface RedisSentinelOptions {
  /** Further lines of its configuration, such as `requirepass secret`. */
  lines?: string[];
  /** PEM files; with them it speaks TLS alone. */
  tls?: { cert: string; key: string };
}

/** A sentinel of its own for one test; it knows one master, `mymaster`, without replicas. */
export interface RedisSentinel {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a real sentinel that watches the Redis at this port of 127.0.0.1. Fails when Redis is not installed. */
export async function startSentinel(masterPort: number, options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const program = findTool('redis-server') ?? findTool('valkey-server');
  if (program === null) throw new Error('redis-server is not installed; apt-get install redis-server');
  const { lines = [], tls } = options;
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'berth-sentinel-'));
  const listens =
    tls === undefined
      ? [`port ${port}`]
      : [
          'port 0',
          `tls-port ${port}`,
          'tls-auth-clients no',
          `tls-cert-file "${tls.cert}"`,
          `tls-key-file "${tls.key}"`,
          `tls-ca-cert-file "${tls.cert}"`,
        ];
  const master = ['sentinel resolve-hostnames yes', `sentinel monitor mymaster 127.0.0.1 ${masterPort} 1`];
  // It writes into its own configuration.
  const file = join(dir, 'sentinel.conf');
  await writeFile(file, [...listens, 'bind 127.0.0.1', `dir "${dir}"`, ...master, ...lines, ''].join('\n'));
  try {
    const server = await startProcess(program, [file, '--sentinel'], { ready: { line: /\+monitor master/ } });
    return {
      port,
      async stop() {
        await server.stop();
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}
