import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);
export const ROOT = resolve(import.meta.dirname, '../..');

interface Packed {
  filename: string;
  size: number;
  files: { path: string }[];
}

/** The client as npm would publish it, and a folder of a program that has installed it. */
export interface PackedClient extends Packed {
  tarball: string;
  /** Programs in it import `@berth/client`. */
  app: string;
  remove(): Promise<void>;
}

/** Packs `libs/client` as in a fresh clone: what was built or packed there before is not taken along. */
export async function packClient(): Promise<PackedClient> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-package-'));
  const made = new Set(['dist', 'LICENSE']);
  const clone = join(folder, 'libs/client');
  await cp(join(ROOT, 'libs/client'), clone, { recursive: true, filter: (path) => !made.has(basename(path)) });
  await cp(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: clone });
  const [packed] = JSON.parse(stdout) as [Packed];
  const tarball = join(folder, packed.filename);
  const app = join(folder, 'app');
  const installed = join(app, 'node_modules/@berth/client');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
  return { ...packed, tarball, app, remove: () => rm(folder, { recursive: true, force: true }) };
}
