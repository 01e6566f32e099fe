import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Whether this process lives and, where /proc tells, is the program that it was: numbers are given out again after a crash.
 * `program` is a pattern for its command line.
 *
 * @param {number} pid
 * @param {string} program
 */
export async function isAlive(pid, program) {
  if (!Number.isInteger(pid)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return commandLine === undefined || new RegExp(program).test(commandLine);
}

/**
 * Waits until the process is gone; false if it still lives after `limitMs`.
 *
 * @param {number} pid
 * @param {string} program
 * @param {number} limitMs
 */
export async function waitUntilGone(pid, program, limitMs) {
  const deadline = Date.now() + limitMs;
  while (await isAlive(pid, program)) {
    if (Date.now() > deadline) return false;
    await delay(100);
  }
  return true;
}
