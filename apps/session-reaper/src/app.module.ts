import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import {
  CONFIG,
  LOGGER,
  PulseService,
  REDIS,
  RedisMemory,
  StoresModule,
  TenantRegistryService,
  type Logger,
} from '#service-kit';
import { OUTBOX_BOUNDS, type StoreClient } from '#session-core';

import { AuditService } from './audit.service.js';
import { CommandsModule } from './commands/commands.module.js';
import { ExpiryProcessor } from './expiry.processor.js';
import { ExpiryQueue } from './expiry.queue.js';
import { InboxLagService } from './inbox/inbox-lag.service.js';
import { InboxMetrics } from './inbox/inbox.metrics.js';
import { InboxProcessor } from './inbox/inbox.processor.js';
import { InboxTenants } from './inbox/inbox.tenants.js';
import { NodeWatchService } from './node-watch.service.js';
import { OutboxTrimmer } from './outbox/outbox-trimmer.service.js';
import { ReaperReportService } from './reaper-report.service.js';
import { ReaperMetrics } from './reaper.metrics.js';
import { ShardSweepService } from './shard-sweep.service.js';
import { SweepService } from './sweep.service.js';
import { WatchdogService } from './watchdog.service.js';

@Module({
  // Nobody's call waits here: a call of the store may take as long as any command.
  imports: [StoresModule.of({ deadlineMs: ({ redis }) => redis.deadlineMs, observed: false }), CommandsModule],
  providers: [
    {
      provide: PulseService,
      inject: [CONFIG, REDIS, LOGGER, TenantRegistryService],
      useFactory: (config: BerthConfig, client: StoreClient, logger: Logger, registry: TenantRegistryService) =>
        new PulseService(config, client, logger, registry, { takesBeats: false }),
    },
    {
      provide: OutboxTrimmer,
      inject: [CONFIG, REDIS, LOGGER, TenantRegistryService, RedisMemory],
      useFactory: (
        config: BerthConfig,
        client: StoreClient,
        logger: Logger,
        registry: TenantRegistryService,
        memory: RedisMemory,
      ) =>
        new OutboxTrimmer({
          client,
          logger,
          tenants: Object.values(config.tenants),
          isRead: config.history !== null,
          bounds: OUTBOX_BOUNDS[config.history === null ? 'unread' : 'read'],
          isOpen: (tenant) => registry.isOpen(tenant),
          memory,
        }),
    },
    AuditService,
    ExpiryProcessor,
    ExpiryQueue,
    InboxLagService,
    InboxMetrics,
    InboxProcessor,
    InboxTenants,
    NodeWatchService,
    ReaperMetrics,
    ReaperReportService,
    ShardSweepService,
    SweepService,
    WatchdogService,
  ],
})
export class AppModule {}
