import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, renameSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/**
 * A process that `npm start` looks after: its output goes to `logFile` (that of the run before is kept beside it as `.1`).
 *
 * It gets a session of its own, so that Ctrl-C in the terminal reaches start.mjs alone, which stops the children in order.
 */
export class Child {
  #process;
  #ended;

  /** @param {{ name: string, program: string, args: string[], env: NodeJS.ProcessEnv, logFile: string }} options */
  constructor({ name, program, args, env, logFile }) {
    this.name = name;
    this.logFile = logFile;
    try {
      renameSync(logFile, `${logFile}.1`);
    } catch {
      // The first run has nothing to keep.
    }
    const log = openSync(logFile, 'a');
    this.#process = spawn(program, args, { env, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#ended = Promise.race([
      once(this.#process, 'exit').then(([code, signal]) => (signal ? `ended by ${signal}` : `exit code ${code}`)),
      once(this.#process, 'error').then(([error]) => error.message),
    ]);
  }

  get pid() {
    return this.#process.pid;
  }

  get alive() {
    return this.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Resolves when the process is gone, with how it went. */
  get ended() {
    return this.#ended;
  }

  /**
   * Asks it to stop by this signal, and after `limitMs` makes it. Resolves to false if it had to be made.
   *
   * @param {NodeJS.Signals} signal
   * @param {number} limitMs
   */
  async stop(signal, limitMs) {
    if (!this.alive) return true;
    let inTime = true;
    this.signal(signal);
    const timer = setTimeout(() => {
      inTime = false;
      this.kill();
    }, limitMs);
    await this.#ended;
    clearTimeout(timer);
    return inTime;
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#process.kill(signal);
  }

  kill() {
    this.signal('SIGKILL');
  }

  /** The last lines that it wrote. */
  async lastLines(count = 10) {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-count).join('\n');
  }
}
