import { execFileSync } from 'node:child_process';

import { installPackages, whyNotInstall } from './install-packages.mjs';
import { onPath } from './lib/paths.mjs';

/** Scripts with flags (`#!lua flags=…`) came with Redis 7.0. */
const oldestMajor = 7;

const howTo = [
  '  macOS:          brew install redis',
  '  Debian, Ubuntu: sudo apt-get install redis-server',
  '  elsewhere:      install Redis 7 or newer, or Valkey, so that redis-server or valkey-server is on the PATH',
  '  or name a Redis that runs already: BERTH_REDIS_URL=redis://HOST:6379 npm start',
].join('\n');

/** The path of a Redis or Valkey server on this machine; installs one where that is allowed. Throws with what to run if there is none. */
export async function findOrInstallRedis({ say = console.log } = {}) {
  const reason = whyNotInstall();
  if (!redisServer()) {
    if (reason) throw new Error(`No redis-server or valkey-server on the PATH, and ${reason}.\n${howTo}`);
    await installPackages(['redis-server'], { say });
  }
  const program = redisServer();
  if (!program) throw new Error(`apt-get installed redis-server, but it is not on the PATH.\n${howTo}`);
  const version = /v=(\d+)\.\S*/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }));
  if (version && Number(version[1]) < oldestMajor) {
    throw new Error(`${program} is version ${version[0].slice(2)}; Berth needs ${oldestMajor}.0 or newer.\n${howTo}`);
  }
  return program;
}

function redisServer() {
  return onPath('redis-server') ?? onPath('valkey-server');
}
