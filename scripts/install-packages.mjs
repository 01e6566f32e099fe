import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { onPath } from './lib/paths.mjs';
import { step } from './lib/progress.mjs';
import { run } from './lib/run.mjs';

/** Why this process will not install system packages, or undefined if it may: root, apt-get, and not forbidden. */
export function whyNotInstall() {
  if (process.env.BERTH_INSTALL === '0') return 'BERTH_INSTALL=0 forbids installing';
  if (!onPath('apt-get')) return 'there is no apt-get here';
  if (process.getuid?.() !== 0) return 'only root may install packages';
  return undefined;
}

/**
 * Those of the Debian packages that are not installed; one that was removed and has left its configuration is not.
 *
 * @param {string[]} packages
 */
export function missingPackages(packages) {
  return packages.filter((name) => {
    const query = ['--show', '--showformat=${db:Status-Abbrev}', name];
    const { status, stdout } = spawnSync('dpkg-query', query, { encoding: 'utf8' });
    return status !== 0 || !stdout.startsWith('ii');
  });
}

/**
 * Installs Debian packages without their recommendations and without leaving their services running: Berth starts its own
 * servers, on free ports. Throws if apt-get fails; its messages are shown then.
 *
 * @param {string[]} packages
 */
export async function installPackages(packages, { say = console.log } = {}) {
  // RUNLEVEL=1 keeps the packages' start scripts from starting a service where there is no systemd.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  /** @type {[command: string, ...args: string[]][]} */
  const steps = [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ];
  const install = async () => {
    for (const args of steps) {
      const code = await run('apt-get', args, { env, output: 'on-failure' });
      if (code !== 0) throw new Error(`apt-get ${args[0]} failed; its messages stand above.`);
    }
  };
  await step(`Installing ${packages.join(' ')} with apt-get (BERTH_INSTALL=0 forbids it)`, install, { say });
  if (existsSync('/run/systemd/system')) {
    for (const service of packages.filter((name) => ['redis-server', 'kamailio'].includes(name))) {
      await run('systemctl', ['disable', '--now', service], { output: 'on-failure' });
    }
  }
}
