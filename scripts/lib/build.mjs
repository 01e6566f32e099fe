import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { root } from './paths.mjs';
import { step } from './progress.mjs';
import { runNode } from './run.mjs';

const sources = [
  'apps',
  'libs',
  'test/load',
  'package.json',
  'package-lock.json',
  'nest-cli.json',
  'tsconfig.json',
  '.swcrc',
];
const stamp = join(root, 'dist', '.built');

/**
 * Builds all apps and libraries, unless the last complete build is newer than every source. Throws if the build fails.
 *
 * @param {{ output?: import('./run.mjs').Output, say?: (line: string) => void }} options
 */
export async function buildIfStale({ output = 'on-failure', say = console.log } = {}) {
  const built = await modified(stamp);
  if (built > 0 && built >= (await newest(sources.map((path) => join(root, path))))) return;
  await step('Building (nest build --all)', () => build({ output }), { say });
}

/**
 * Builds all apps and libraries. Throws if the build fails.
 *
 * @param {{ output?: import('./run.mjs').Output }} options
 */
export async function build({ output = 'on-failure' } = {}) {
  const startedAt = new Date();
  const code = await runNode(['node_modules/@nestjs/cli/bin/nest.js', 'build', '--all'], { output });
  if (code !== 0) throw new Error('The build failed; its messages stand above.');
  await mkdir(join(root, 'dist'), { recursive: true });
  // The stamp says when the build began: a file that was saved while it ran counts as newer.
  await writeFile(stamp, startedAt.toISOString());
  await utimes(stamp, startedAt, startedAt);
}

/**
 * When the newest of these files and folders changed; folders count too, because a removed file changes only its folder.
 *
 * @param {string[]} paths
 */
async function newest(paths) {
  let latest = 0;
  for (const path of paths) {
    latest = Math.max(latest, await modified(path));
    const entries = await readdir(path, { recursive: true }).catch(() => []);
    for (const entry of entries) {
      // What a package was built to is newer than its sources, and no source.
      if (!/(^|\/)dist(\/|$)/.test(entry)) latest = Math.max(latest, await modified(join(path, entry)));
    }
  }
  return latest;
}

/** @param {string} path */
async function modified(path) {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}
