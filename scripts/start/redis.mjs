import { randomInt } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { Child } from './child.mjs';
import { listenError } from './ports.mjs';

/**
 * Starts a Redis on a free loopback port, with its data in `dataDir`/redis and at most one second of writes at risk, and waits
 * until it has loaded them. Returns its URL; throws with its last lines if it does not come up.
 *
 * @param {{ program: string, dataDir: string, logFile: string, onStarted: (child: Child) => void }} options
 */
export async function startRedis({ program, dataDir, logFile, onStarted }) {
  const folder = join(dataDir, 'redis');
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const options = {
    port,
    bind: '127.0.0.1',
    'protected-mode': 'yes',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = new Child({ name: 'redis', program, args, env: process.env, logFile });
  onStarted(child);
  // Its own word that it listens and has its data: a PING might be answered by another server that took the port.
  while (!(await readFile(logFile, 'utf8')).includes('Ready to accept connections')) {
    if (!child.alive) throw new Error(`Redis did not start (${await child.ended}):\n${await child.lastLines()}`);
    await delay(50);
  }
  return `redis://127.0.0.1:${port}/0`;
}

/** A free port below every system's range of ephemeral ports, where an outgoing connection cannot take it first. */
async function freePort() {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    if (!(await listenError('127.0.0.1', port))) return port;
  }
}
