import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { BooksModule, CONFIG, REDIS } from '#service-kit';
import { Audits, type StoreClient } from '#session-core';

import { TenantsModule } from '../tenants.module.js';
import { AdminMetrics } from './admin.metrics.js';
import { CommandsMetrics } from './commands.metrics.js';
import { StreamsMetrics } from './streams.metrics.js';

/** The gauges about the fleet, read from the books when somebody asks for them. */
@Module({
  imports: [BooksModule, TenantsModule],
  providers: [
    AdminMetrics,
    CommandsMetrics,
    StreamsMetrics,
    {
      provide: Audits,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) =>
        new Audits({ client, deadlineMs: store.decisionDeadlineMs }),
    },
  ],
})
export class AdminMetricsModule {}
