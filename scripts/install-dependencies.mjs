import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { root } from './lib/paths.mjs';
import { step } from './lib/progress.mjs';
import { run } from './lib/run.mjs';

/**
 * Makes node_modules what package-lock.json says: runs `npm ci` when a package is missing or of another version.
 * Throws if that fails; npm has then shown why.
 *
 * @param {{ output?: import('./lib/run.mjs').Output, say?: (line: string) => void }} options
 */
export async function installDependencies({ output = 'show', say = console.log } = {}) {
  if (await installed()) return;
  const install = async () => {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const code = await run(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { output });
    if (code !== 0) throw new Error('npm ci failed; its messages stand above.');
  };
  await step('Installing the dependencies (npm ci)', install, { say, soFar: unpacked });
}

/** npm leaves in node_modules a list of what it installed; packages for other platforms (`optional`) may lack there. */
async function installed() {
  const wanted = await packages('package-lock.json');
  const present = await packages('node_modules/.package-lock.json');
  return Object.entries(wanted ?? {}).every(
    ([path, { version, optional }]) => path === '' || optional || present?.[path]?.version === version,
  );
}

/** How many packages are there by now. */
async function unpacked() {
  const wanted = Object.entries((await packages('package-lock.json')) ?? {});
  const paths = wanted.flatMap(([path, { optional }]) => (path === '' || optional ? [] : [path]));
  const there = paths.filter((path) => existsSync(join(root, path, 'package.json')));
  return `${there.length} of ${paths.length} packages`;
}

/**
 * @param {string} file
 * @returns {Promise<Record<string, { version: string, optional?: boolean }> | undefined>}
 */
async function packages(file) {
  try {
    return JSON.parse(await readFile(join(root, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}
