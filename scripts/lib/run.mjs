import { spawn } from 'node:child_process';

import { root } from './paths.mjs';

/**
 * @typedef {'show' | 'stderr' | 'on-failure' | 'discard'} Output
 * @typedef {{ env?: NodeJS.ProcessEnv, output?: Output }} RunOptions
 */

/** @type {Record<Output, import('node:child_process').StdioOptions>} */
const STDIO = {
  show: ['ignore', 'inherit', 'inherit'],
  stderr: ['ignore', 2, 2],
  'on-failure': ['ignore', 'pipe', 'pipe'],
  discard: 'ignore',
};

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/**
 * Runs a program in the clone and resolves with its exit code; its standard input is closed.
 *
 * `output`: `show` passes it on; `stderr` too, but all of it to standard error; `on-failure` keeps it back and shows it only if
 * the program fails; `discard` never shows it. A program that a signal ended counts as code 128.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {RunOptions} options
 * @returns {Promise<number>}
 */
export function run(program, args, { env = process.env, output = 'show' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env, stdio: STDIO[output] });
    running.add(child);
    /** @type {Buffer[]} */
    const kept = [];
    child.stdout?.on('data', (chunk) => kept.push(chunk));
    child.stderr?.on('data', (chunk) => kept.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      running.delete(child);
      if (code !== 0 && kept.length > 0) process.stderr.write(Buffer.concat(kept));
      resolve(code ?? 128);
    });
  });
}

/**
 * Runs a program of node_modules by its script, so that it works whatever the shell and the PATH.
 *
 * @param {string[]} args
 * @param {RunOptions} [options]
 */
export function runNode(args, options) {
  return run(process.execPath, args, options);
}

/**
 * Ends the steps that are under way, when the command itself is stopped.
 *
 * @param {NodeJS.Signals} signal
 */
export function stopSteps(signal) {
  for (const child of running) child.kill(signal);
}
