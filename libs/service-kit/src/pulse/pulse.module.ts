import { Module, type DynamicModule } from '@nestjs/common';

import type { BerthConfig } from '#config';
import type { StoreClient } from '#session-core';

import type { Logger } from '../logging/logger.js';
import { TenantRegistryService } from '../tenants/tenant-registry.service.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import { PulseService, type PulseOptions } from './pulse.service.js';

/** The pulse of every shard, as long as the process runs. */
@Module({})
export class PulseModule {
  static of(options: PulseOptions): DynamicModule {
    return {
      module: PulseModule,
      providers: [
        {
          provide: PulseService,
          inject: [CONFIG, REDIS, LOGGER, TenantRegistryService],
          useFactory: (config: BerthConfig, client: StoreClient, logger: Logger, registry: TenantRegistryService) =>
            new PulseService(config, client, logger, registry, options),
        },
      ],
    };
  }
}
