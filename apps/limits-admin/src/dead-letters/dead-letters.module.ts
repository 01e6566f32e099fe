import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, listDeadlineMs, REDIS } from '#service-kit';
import { DeadLettersStore, type StoreClient } from '#session-core';

import { DeadLettersController } from './dead-letters.controller.js';

/** Events that could not be applied. */
@Module({
  controllers: [DeadLettersController],
  providers: [
    {
      provide: DeadLettersStore,
      inject: [CONFIG, REDIS],
      useFactory: ({ store, tenants }: BerthConfig, client: StoreClient) =>
        new DeadLettersStore(client, listDeadlineMs(store), Object.values(tenants)),
    },
  ],
})
export class DeadLettersModule {}
