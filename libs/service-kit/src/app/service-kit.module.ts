import { Global, Module, type DynamicModule } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';

import type { BerthConfig } from '#config';

import { AuthFailures } from '../auth/auth-failures.service.js';
import { AuthMetrics } from '../auth/auth.metrics.js';
import { RightsGuard } from '../auth/rights.guard.js';
import { HealthModule } from '../health/health.module.js';
import { StoreHealth } from '../health/store-health.service.js';
import type { Logger } from '../logging/logger.js';
import { MetricsModule } from '../metrics/metrics.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { ConfigReload } from '../reload/config-reload.service.js';
import { TenantRegistryService } from '../tenants/tenant-registry.service.js';
import { CONFIG, LOGGER } from '../tokens.js';

/** What every app has: configuration, log, Redis, metrics, health, rights and open tenants. `createApp` puts it beside the app's own module. */
@Global()
@Module({})
export class ServiceKitModule {
  static of(config: BerthConfig, logger: Logger): DynamicModule {
    return {
      module: ServiceKitModule,
      imports: [RedisModule, MetricsModule, HealthModule],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: APP_GUARD, useClass: RightsGuard },
        AuthMetrics,
        AuthFailures,
        ConfigReload,
        TenantRegistryService,
        StoreHealth,
      ],
      exports: [CONFIG, LOGGER, AuthFailures, ConfigReload, TenantRegistryService, StoreHealth],
    };
  }
}
