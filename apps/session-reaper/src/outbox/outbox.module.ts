import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, LOGGER, REDIS, RedisMemory, TenantRegistryService, type Logger } from '#service-kit';
import { OUTBOX_BOUNDS, type StoreClient } from '#session-core';

import { OutboxTrimmer } from './outbox-trimmer.service.js';

/** Keeps the outbox of every shard within its bounds. */
@Module({
  providers: [
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
  ],
})
export class OutboxModule {}
