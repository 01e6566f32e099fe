import { setTimeout as elapsed } from 'node:timers/promises';

import { TestEnvironment } from 'jest-environment-node';

/** For what takes its time to close: ioredis waits 2 s for a connection that is already gone, and a busy machine needs longer. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 20;

/** What outlives a suite in its worker: connections, servers, timers, child processes. */
const LEAKS = /^(TCP|TLS|UDP|Pipe|Process|Timeout|Immediate|FSEvent|StatWatcher|Worker|MessagePort)/;

// Node opens these pipes where they are first written to, which may be in any suite.
void [process.stdin, process.stdout, process.stderr];

/** Fails a suite that leaves something open: it would stay in its worker for all suites after it, and keep the worker from ending. */
export default class LeakFreeEnvironment extends TestEnvironment {
  #before = counts();
  #path;
  #patienceMs;

  /**
   * @param {import('@jest/environment').JestEnvironmentConfig} config
   * @param {import('@jest/environment').EnvironmentContext} context
   */
  constructor(config, context) {
    super(config, context);
    this.#path = context.testPath;
    this.#patienceMs = Number(config.projectConfig.testEnvironmentOptions.patienceMs ?? PATIENCE_MS);
  }

  /** @override */
  async teardown() {
    const deadline = performance.now() + this.#patienceMs;
    let left = this.#left();
    while (left.length > 0 && performance.now() < deadline) {
      await elapsed(LOOK_MS);
      left = this.#left();
    }
    await super.teardown();
    if (left.length > 0) throw new Error(`${this.#path} left open: ${left.join(', ')}`);
  }

  #left() {
    const now = counts();
    return [...now].flatMap(([kind, count]) => {
      const more = count - (this.#before.get(kind) ?? 0);
      return more > 0 ? [`${more} ${kind}`] : [];
    });
  }
}

function counts() {
  const found = new Map();
  for (const kind of process.getActiveResourcesInfo()) {
    if (LEAKS.test(kind)) found.set(kind, (found.get(kind) ?? 0) + 1);
  }
  return found;
}
