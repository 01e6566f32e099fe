// An app in one file, run as a process by run-app.e2e.spec.ts against the built library.
import 'reflect-metadata';

import { open } from 'node:fs/promises';

import { Controller, Get, Inject, Module } from '@nestjs/common';

import { LOGGER, REDIS, runApp } from '#service-kit';

let finishSlow = () => {};

class TestController {
  /** Answers some time after the process was asked to stop. */
  async slow() {
    process.stdout.write('slow request has begun\n');
    await new Promise((resolve) => (finishSlow = resolve));
    return { done: true };
  }

  /** As what asks Redis: others are read meanwhile. */
  async soon() {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { done: true };
  }

  /** Holds up the main thread, and whatever comes meanwhile. */
  busy() {
    process.stdout.write('busy request has begun\n');
    for (const until = Date.now() + 500; Date.now() < until;);
    return { done: true };
  }

  /** Never answers. */
  stuck() {
    process.stdout.write('stuck request has begun\n');
    return new Promise(() => {});
  }
}
Controller('test')(TestController);
for (const path of ['slow', 'soon', 'busy', 'stuck']) {
  Get(path)(TestController.prototype, path, Object.getOwnPropertyDescriptor(TestController.prototype, path));
}

class TestModule {
  constructor(logger, redis) {
    Object.assign(this, { logger, redis });
  }

  async onModuleDestroy() {
    // What the test wants to hang: this part, all parts, the main thread, or a thread that opens a pipe that nobody writes to.
    const hangs = process.argv[2];
    if (hangs === 'part' || hangs === 'parts') await new Promise(() => {});
    if (hangs === 'main thread') for (;;);
    if (hangs?.startsWith('/')) open(hangs).catch(() => {});
    this.logger.info({ redis: await this.redis.ping() }, 'Module destroyed');
  }
}
/** As `part`, one after the other: each needs the next. */
function hungModules(count, inner) {
  class HungModule {
    async onModuleDestroy() {
      await new Promise(() => {});
    }
  }
  Module({ imports: [inner] })(HungModule);
  return count === 1 ? HungModule : hungModules(count - 1, HungModule);
}

Inject(LOGGER)(TestModule, undefined, 0);
Inject(REDIS)(TestModule, undefined, 1);
Module({ controllers: [TestController] })(TestModule);

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => setTimeout(() => finishSlow(), 600));

const module = process.argv[2] === 'parts' ? hungModules(4, TestModule) : TestModule;

await runApp(module, { name: 'test-app', port: (config) => config.gatewayPort });
