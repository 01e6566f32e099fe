// An app in one file, run as a process by run-app.e2e.spec.ts against the built library.
import 'reflect-metadata';
import { Controller, Get, Inject, Module } from '@nestjs/common';

import { LOGGER, REDIS, runApp } from '#service-kit';

let finishSlow = () => {};

class TestController {
  /** Answers once the process has been told to stop. */
  async slow() {
    process.stdout.write('slow request has begun\n');
    await new Promise((resolve) => (finishSlow = resolve));
    return { done: true };
  }

  /** Never answers. */
  stuck() {
    process.stdout.write('stuck request has begun\n');
    return new Promise(() => {});
  }
}
Controller('test')(TestController);
for (const path of ['slow', 'stuck']) {
  Get(path)(TestController.prototype, path, Object.getOwnPropertyDescriptor(TestController.prototype, path));
}

class TestModule {
  constructor(logger, redis) {
    Object.assign(this, { logger, redis });
  }

  async onModuleDestroy() {
    this.logger.info({ redis: await this.redis.ping() }, 'Module destroyed');
  }
}
Inject(LOGGER)(TestModule, undefined, 0);
Inject(REDIS)(TestModule, undefined, 1);
Module({ controllers: [TestController] })(TestModule);

process.on('SIGTERM', () => setTimeout(() => finishSlow(), 100));

await runApp(TestModule, { name: 'test-app', port: (config) => config.gatewayPort });
