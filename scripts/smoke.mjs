// `npm run smoke`: the whole service as built here, under the oldest Node.js that it promises and the one of its image: start, first calls, one race,
// stop. The releases are those of scripts/smoke/package-lock.json; npm fetches them once, and checks what it fetched.
import './lib/node-version.mjs';

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';

import { installDependencies } from './install-dependencies.mjs';
import { findOrInstallRedis } from './install-redis.mjs';
import { buildIfStale } from './lib/build.mjs';
import { root } from './lib/paths.mjs';
import { step } from './lib/progress.mjs';
import { run } from './lib/run.mjs';
import { tryService } from './smoke/claims.mjs';
import { freePorts } from './smoke/free-ports.mjs';

const PINNED = join(root, 'scripts/smoke');
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;

let failed = 0;
let passed = 0;
try {
  await installDependencies();
  await buildIfStale();
  await findOrInstallRedis();
  for (const node of await fetchedNodes()) {
    try {
      await smoke(node);
      passed += 1;
    } catch (error) {
      failed += 1;
      console.error(`Under Node.js ${node.version}: ${error.message}`);
    }
  }
} catch (error) {
  failed += 1;
  console.error(error.message);
}
console.log(`Smoke test: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

/** The pinned releases, each as a program that has printed its version. Throws where one cannot be fetched or does not run here. */
async function fetchedNodes() {
  const lock = await readFile(join(PINNED, 'package-lock.json'), 'utf8');
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = join(cache, 'berth', `nodes-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}`);
  /** @type {{ packages: Record<string, { version: string }> }} */
  const { packages } = JSON.parse(lock);
  const nodes = Object.entries(packages).flatMap(([path, { version }]) =>
    path === '' ? [] : [{ version, program: join(folder, path, 'bin/node') }],
  );
  if (!(await allRun(nodes))) {
    await step(`Fetching Node.js ${nodes.map(({ version }) => version).join(' and ')} from npm`, async () => {
      await cp(PINNED, folder, { recursive: true });
      const args = ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
      const code = await run('npm', args);
      if (code !== 0) throw new Error('The releases of Node.js could not be fetched; the messages of npm stand above.');
    });
  }
  if (!(await allRun(nodes)))
    throw new Error(`What npm fetched to ${folder} does not run here, or is another release.`);
  return nodes;
}

/** @param {{ version: string, program: string }[]} nodes */
async function allRun(nodes) {
  const answers = await Promise.all(nodes.map(({ program }) => outputOf(program, ['--version'])));
  return answers.every((answer, at) => answer === `v${nodes[at]?.version}`);
}

/**
 * @param {string} program
 * @param {string[]} args
 */
async function outputOf(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  return await once(child, 'close').then(
    () => text.trim(),
    () => '',
  );
}

/**
 * Starts the service as `npm start` does, tries it, and stops it. Throws what is wrong with it.
 *
 * @param {{ version: string, program: string }} node
 */
async function smoke({ version, program }) {
  const startedAt = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'berth-smoke-'));
  const [gateway, admin, reaper, grpc] = await freePorts(4);
  const ports = {
    BERTH_GATEWAY_PORT: `${gateway}`,
    BERTH_ADMIN_PORT: `${admin}`,
    BERTH_REAPER_PORT: `${reaper}`,
    BERTH_GRPC_PORT: `${grpc}`,
  };
  /** Nothing of the caller's configuration: the service as it is without any. */
  const mine = Object.entries(process.env).filter(([name]) => !name.startsWith('BERTH_') && name !== 'NODE_OPTIONS');
  const env = { ...Object.fromEntries(mine), ...ports, BERTH_DATA_DIR: join(folder, 'data') };
  const service = spawn(program, [join(root, 'scripts/start.mjs')], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [service.stdout, service.stderr]) stream.on('data', (chunk) => (output += chunk));
  const exited = once(service, 'exit');
  try {
    await until(() => output.includes('Berth is running.'), service, READY_LIMIT_MS);
    await tryService({ gateway: `http://127.0.0.1:${gateway}`, admin: `http://127.0.0.1:${admin}` });
    service.kill('SIGINT');
    await until(() => service.exitCode !== null, service, STOP_LIMIT_MS);
    if (service.exitCode !== 0 || !output.includes('Stopped; no process is left.') || output.includes('was killed')) {
      throw new Error(`it did not stop as it should (exit code ${service.exitCode})`);
    }
    console.log(`Node.js ${version}: ok (${((performance.now() - startedAt) / 1_000).toFixed(1)} s)`);
  } catch (error) {
    throw new Error(`${error.message}\n${output}`, { cause: error });
  } finally {
    service.kill('SIGINT');
    await exited;
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {() => boolean} condition
 * @param {import('node:child_process').ChildProcess} service
 * @param {number} limitMs
 */
async function until(condition, service, limitMs) {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (service.exitCode !== null || service.signalCode !== null) throw new Error('the service ended by itself');
    if (performance.now() > deadline) throw new Error(`nothing after ${limitMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
