import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, REDIS } from '#service-kit';
import { Books, type StoreClient } from '#session-core';

import { Clock } from './clock.js';
import { listDeadlineMs } from './list-deadline.js';
import { Tenants } from './tenants.service.js';

/** What almost every feature reads: the books of live sessions, the tenants that a caller may see, the time of Redis. */
@Module({
  providers: [
    Clock,
    Tenants,
    {
      provide: Books,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Books(client, listDeadlineMs(store)),
    },
  ],
  exports: [Books, Clock, Tenants],
})
export class BooksModule {}
