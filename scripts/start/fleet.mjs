import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { root } from '../lib/paths.mjs';
import { readiness } from '../lib/ready.mjs';
import { Child } from './child.mjs';

/** @typedef {{ child: Child, url: string, ready: boolean }} App */

const READY_LIMIT_MS = 60_000;
/** Longer than the apps take to finish what is in flight, after the grace that SIGTERM gives. */
const APP_STOP_LIMIT_MS = 20_000;
/** Redis writes out what it holds before it goes. */
const REDIS_STOP_LIMIT_MS = 60_000;

/**
 * The children of `npm start`. When one of them ends by itself, `onLoss` is called with its last lines.
 *
 * A guard beside them ends them if this process is killed and cannot.
 */
export class Fleet {
  #folder;
  #onLoss;
  #guard;
  /** @type {App[]} */
  #apps = [];
  /** @type {Child | undefined} */
  #redis;
  #stopping = false;

  /**
   * @param {string} dataDir
   * @param {(message: string) => void} onLoss
   */
  constructor(dataDir, onLoss) {
    this.#folder = join(dataDir, 'logs');
    mkdirSync(this.#folder, { recursive: true });
    this.#onLoss = onLoss;
    this.#guard = spawn('/bin/sh', [join(root, 'scripts/start/guard.sh')], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Without its guard the fleet still runs and stops; only a SIGKILL of start.mjs would leave it behind.
    this.#guard.on('error', () => {});
    this.#guard.stdin.on('error', () => {});
  }

  get redisPid() {
    return this.#redis?.pid;
  }

  /** The names of the apps that have not reported yet that they are ready. */
  get unready() {
    return this.#apps.flatMap(({ child, ready }) => (ready ? [] : [child.name]));
  }

  /** @param {string} name */
  logFile(name) {
    return join(this.#folder, `${name}.log`);
  }

  /** @param {Child} child */
  addRedis(child) {
    this.#redis = child;
    this.#watch(child, 'redis');
  }

  /**
   * @param {import('./settings.mjs').AppSettings} app
   * @param {NodeJS.ProcessEnv} common
   */
  startApp({ name, url, metricsPort }, common) {
    const env = metricsPort === undefined ? common : { ...common, BERTH_METRICS_PORT: String(metricsPort) };
    const program = process.execPath;
    const args = ['--enable-source-maps', join(root, 'dist/apps', name, 'src/main.js')];
    const child = new Child({ name, program, args, env, logFile: this.logFile(name) });
    this.#apps.push({ child, url, ready: false });
    this.#watch(child, 'app');
  }

  /** Resolves when every app says that it is ready. Throws with the last answer when that takes longer than a minute. */
  async ready() {
    /** @param {App} app */
    const becomeReady = async (app) => {
      await this.#appReady(app);
      app.ready = true;
    };
    await Promise.all(this.#apps.map(becomeReady));
  }

  /**
   * The same signal for every app.
   *
   * @param {NodeJS.Signals} signal
   */
  signal(signal) {
    for (const { child } of this.#apps) if (child.alive) child.signal(signal);
  }

  /** Has the apps read their configuration again; one that is starting reads it anyway. Returns whether any was signalled. */
  reload() {
    const signalled = this.#stopping ? [] : this.#apps.filter(({ child, ready }) => ready && child.alive);
    for (const { child } of signalled) child.signal('SIGHUP');
    return signalled.length > 0;
  }

  /**
   * Ends the apps by this signal, which they may take `graceMs` longer for, then Redis. Resolves with a line for each that had to be killed.
   *
   * @param {NodeJS.Signals} signal
   * @param {number} graceMs
   */
  async stop(signal, graceMs) {
    this.#stopping = true;
    /** @type {string[]} */
    const lines = [];
    /** @type {(child: Child, how: NodeJS.Signals, limitMs: number) => Promise<void>} */
    const end = async (child, how, limitMs) => {
      if (!(await child.stop(how, limitMs)))
        lines.push(`${child.name} did not stop within ${limitMs / 1000} s and was killed.`);
    };
    await Promise.all(this.#apps.map(({ child }) => end(child, signal, APP_STOP_LIMIT_MS + graceMs)));
    // Redis writes out what it holds on SIGTERM.
    if (this.#redis) await end(this.#redis, 'SIGTERM', REDIS_STOP_LIMIT_MS);
    await this.#dismissGuard();
    return lines;
  }

  /** Kills all of them at once. Redis keeps what it wrote until a second ago. */
  kill() {
    this.#stopping = true;
    for (const { child } of this.#apps) child.kill();
    this.#redis?.kill();
    this.#guard.stdin.write('done\n');
  }

  /**
   * @param {Child} child
   * @param {'app' | 'redis'} kind
   */
  #watch(child, kind) {
    if (child.pid !== undefined) this.#guard.stdin.write(`${kind} ${child.pid}\n`);
    void child.ended.then(async () => {
      if (!this.#stopping) this.#onLoss(await loss(child));
    });
  }

  /** @param {App} app */
  async #appReady({ child, url }) {
    const deadline = Date.now() + READY_LIMIT_MS;
    let last = 'no answer';
    while (!this.#stopping) {
      if (!child.alive) throw new Error(await loss(child));
      try {
        const answer = await readiness(url);
        if (answer.ok) return;
        last = `${answer.status} ${answer.text}`;
      } catch (error) {
        last = error.message;
      }
      if (Date.now() > deadline) {
        throw new Error(
          `${child.name} is not ready after ${READY_LIMIT_MS / 1000} s; ${url}/health/ready says: ${last}`,
        );
      }
      await delay(100);
    }
    throw new Error('Stopped before the apps were ready.');
  }

  async #dismissGuard() {
    if (this.#guard.pid === undefined || this.#guard.exitCode !== null || this.#guard.signalCode !== null) return;
    this.#guard.stdin.write('done\n');
    await once(this.#guard, 'exit');
  }
}

/** @param {Child} child */
async function loss(child) {
  const log = relative(process.cwd(), child.logFile);
  return `${child.name} ended by itself (${await child.ended}). The last lines of ${log}:\n${await child.lastLines()}`;
}
