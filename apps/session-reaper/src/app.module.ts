import { Module } from '@nestjs/common';

import { CONFIG, REDIS, type BerthConfig } from '#service-kit';
import { SessionStore, type StoreClient } from '#session-core';

import { ExpiryProcessor } from './expiry.processor.js';
import { ExpiryQueue } from './expiry.queue.js';
import { ReaperReportService } from './reaper-report.service.js';
import { ReaperMetrics } from './reaper.metrics.js';
import { ShardSweepService } from './shard-sweep.service.js';
import { SweepService } from './sweep.service.js';
import { WatchdogService } from './watchdog.service.js';

@Module({
  providers: [
    {
      provide: SessionStore,
      inject: [CONFIG, REDIS],
      useFactory: ({ redis: { deadlineMs }, tombstoneMs }: BerthConfig, client: StoreClient) =>
        new SessionStore({ client, deadlineMs, tombstoneMs }),
    },
    ExpiryProcessor,
    ExpiryQueue,
    ReaperMetrics,
    ReaperReportService,
    ShardSweepService,
    SweepService,
    WatchdogService,
  ],
})
export class AppModule {}
