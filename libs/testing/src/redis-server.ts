import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Redis, type RedisOptions } from 'ioredis';

import { freePort } from './free-port.js';
import { startProcess, type ManagedProcess } from './managed-process.js';
import type { TestServer } from './test-server.js';
import { findTool } from './tools.js';

export type RedisClientOptions = Omit<RedisOptions, 'replyMapping'>;

export interface RedisServerOptions {
  /** Further options of the server, e.g. `['--appendonly', 'yes']`; they win over the ones set here. */
  args?: string[];
  /** A fixed port; a free one by default. */
  port?: number;
  /** The working directory, kept at the end; a temporary one, removed at the end, by default. */
  dir?: string;
}

/** A Redis of its own for one test: a real server on loopback, without persistence unless asked for. */
export interface RedisServer extends TestServer {
  readonly host: '127.0.0.1';
  /** A new connection; `stop` closes it. */
  client(options?: RedisClientOptions): Redis;
  /** Starts it again on the same port, ending it first if it runs; without persistence it comes back empty. */
  restart(): Promise<void>;
  /** All that it holds as it writes it to disk, uncompressed: to be searched for what must not be there. */
  onDisk(): Promise<string>;
}

const START_ATTEMPTS = 5;

/** Starts `redis-server`, or `valkey-server` where that is what there is. Fails when neither is installed. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const program = findTool('redis-server') ?? findTool('valkey-server');
  if (program === null) throw new Error('redis-server is not installed; apt-get install redis-server');
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'berth-redis-')));
  const removeDir = async () => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
  };
  try {
    const { port, server } = await listen(program, dir, options);
    return new LocalRedis(port, server, removeDir);
  } catch (error) {
    await removeDir();
    throw error;
  }
}

async function listen(program: string, dir: string, options: RedisServerOptions) {
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const base = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'];
    try {
      // Its own word that it listens: a PING might be answered by another server that won the port.
      const ready = { line: /Ready to accept connections/ };
      const server = await startProcess(program, [...base, ...(options.args ?? [])], { ready });
      return { port, server };
    } catch (error) {
      const taken = /Address already in use/.test(String(error));
      if (!taken || options.port !== undefined || attempt === START_ATTEMPTS) throw error;
    }
  }
}

class LocalRedis implements RedisServer {
  readonly host = '127.0.0.1';
  private readonly clients: Redis[] = [];

  constructor(
    readonly port: number,
    private readonly server: ManagedProcess,
    private readonly removeDir: () => Promise<void>,
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.server.pid;
  }

  client(options: RedisClientOptions = {}): Redis {
    // ioredis waits this long for a connection that is already gone, and keeps the process alive meanwhile.
    const client = new Redis({ host: this.host, port: this.port, disconnectTimeout: 100, ...options });
    client.on('error', () => {}); // commands report their own failures; without a listener ioredis prints each lost connection
    this.clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    await this.server.stop();
    await this.removeDir();
  }

  async kill(): Promise<void> {
    await this.server.kill();
  }

  restart(): Promise<void> {
    return this.server.restart();
  }

  pause(): void {
    this.server.signal('SIGSTOP');
  }

  resume(): void {
    this.server.signal('SIGCONT');
  }

  async onDisk(): Promise<string> {
    const client = this.client();
    await client.config('SET', 'rdbcompression', 'no');
    await client.save();
    const [, dir] = (await client.config('GET', 'dir')) as [string, string];
    const [, file] = (await client.config('GET', 'dbfilename')) as [string, string];
    return await readFile(join(dir, file), 'latin1');
  }
}
