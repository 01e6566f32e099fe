// `npm test`: every test, with what it needs. Installs what is missing where it may; what stays missing is skipped aloud by the
// tests themselves, or fails with BERTH_TEST_ALL=1. `npm test -- libs/session-core` runs a part; other options go to Jest.
// `npm run test:long`: the same cases, with more examples and larger crowds (`inForm` in libs/testing).
import './lib/node-version.mjs';

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { installDependencies } from './install-dependencies.mjs';
import { installPackages, missingPackages, whyNotInstall } from './install-packages.mjs';
import { buildIfStale } from './lib/build.mjs';
import { onPath, root } from './lib/paths.mjs';

/** How long Jest may take to end after it wrote its results. */
const EXIT_LIMIT_MS = 15_000;

const packages = [
  'kamailio',
  'kamailio-utils-modules',
  'kamailio-extra-modules',
  'sip-tester',
  'curl',
  'jq',
  'python3',
  'python3-grpcio',
  'protobuf-compiler',
  'protobuf-compiler-grpc',
];

/** Suites that start whole processes run after the others: they need more of the machine at a time. */
const wholeProcesses = `${root.replace(/[^\w/]/g, '\\$&')}/test/|\\.e2e\\.spec\\.ts$`;
/** More workers than cores, because suites wait most of their time: for leases, outages and child processes. */
const cores = availableParallelism();
/**
 * Real SIP has timers of its own (a server that asks for a second, an answer that is sent again after half of one), and calls that fill Redis come
 * at a rate that the trimming has to keep up with: these run alone.
 */
const realTime = '/(kamailio[^/]*|full-memory)\\.e2e\\.spec\\.ts$';
const runs = [
  [`--maxWorkers=${cores + 2}`, ignoring(wholeProcesses)],
  [`--maxWorkers=${cores + 1}`, ignoring(allBut(wholeProcesses)), ignoring(realTime)],
  ['--maxWorkers=1', ignoring(allBut(realTime))],
];

const forJest = process.argv.slice(2).filter((arg) => arg !== '--long');
if (process.argv.includes('--long')) process.env.BERTH_TEST_LONG = '1';

try {
  await installDependencies();
  await installTools();
  await buildIfStale();
  const total = { passed: 0, failed: 0, skipped: 0 };
  let code = 0;
  for (const options of runs) {
    const result = await jest(options, forJest);
    for (const key of /** @type {const} */ (['passed', 'failed', 'skipped'])) total[key] += result[key];
    code ||= result.code;
  }
  if (total.passed + total.failed === 0) {
    console.error('No test was run.');
    code = 1;
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = code;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** @param {string} pattern */
function allBut(pattern) {
  return `^(?!.*(${pattern}))`;
}

/**
 * Not the last option before the caller's own words: Jest would take those for patterns to ignore too.
 *
 * @param {string} pattern
 */
function ignoring(pattern) {
  return `--testPathIgnorePatterns=${pattern}`;
}

async function installTools() {
  const reason = whyNotInstall();
  if (reason) {
    console.log(`Installing no system packages: ${reason}. Tests that need a missing one are skipped.`);
    return;
  }
  const redis = onPath('redis-server') ?? onPath('valkey-server');
  const missing = missingPackages(redis ? packages : ['redis-server', ...packages]);
  if (missing.length > 0) await installPackages(missing);
}

/**
 * One run of Jest; a suite that could not even be loaded counts as one failed test, and so does a run that wrote its results and
 * then did not end, because a test left a connection, a timer or a process behind.
 *
 * @param {string[]} options
 * @param {string[]} args
 */
async function jest(options, args) {
  const folder = await mkdtemp(join(tmpdir(), 'berth-test-'));
  const outputFile = join(folder, 'result.json');
  const read = () => readFile(outputFile, 'utf8').then(JSON.parse, () => undefined);
  const nodeOptions = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`.trim();
  try {
    const child = spawn(
      process.execPath,
      ['node_modules/jest/bin/jest.js', ...options, '--passWithNoTests', '--json', '--outputFile', outputFile, ...args],
      { cwd: root, env: { ...process.env, NODE_OPTIONS: nodeOptions }, stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const exit = once(child, 'exit');
    const watch = setInterval(() => {
      if (!existsSync(outputFile)) return;
      clearInterval(watch);
      setTimeout(() => child.kill('SIGKILL'), EXIT_LIMIT_MS).unref();
    }, 1_000);
    const [code] = await exit;
    clearInterval(watch);
    const result = await read();
    const hung = code === null && result !== undefined;
    if (hung) console.error('Jest did not end: a test left a connection, a timer or a process behind.');
    return {
      code: code ?? 1,
      passed: result?.numPassedTests ?? 0,
      failed: (result ? result.numFailedTests + result.numRuntimeErrorTestSuites : 1) + (hung ? 1 : 0),
      skipped: result ? result.numPendingTests + result.numTodoTests : 0,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
