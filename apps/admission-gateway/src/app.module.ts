import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import {
  ApiModule,
  CONFIG,
  LOGGER,
  PulseService,
  REDIS,
  StoresModule,
  TenantRegistryService,
  type Logger,
} from '#service-kit';
import type { StoreClient } from '#session-core';

import { AdmissionService } from './admission.service.js';
import { CommandsModule } from './commands/commands.module.js';
import { EventsController } from './events/events.controller.js';
import { EventsService } from './events/events.service.js';
import { GatewayMetrics } from './gateway.metrics.js';
import { SessionsController } from './http/sessions.controller.js';
import { TransferController } from './http/transfer.controller.js';
import { LimitsPublisherService } from './limits-publisher.service.js';
import { NodesController } from './nodes/nodes.controller.js';
import { NodesService } from './nodes/nodes.service.js';
import { SessionsService } from './sessions.service.js';
import { TenantsRepository } from './tenants.repository.js';
import { TransfersService } from './transfers.service.js';
import { WarmUpService } from './warm-up.service.js';

/** What `GET /openapi.json` says of the whole. */
export const API_TITLE = {
  title: 'Berth admission-gateway',
  description:
    'Servers that hold sessions ask here whether one more may start, and say what becomes of those they hold. Without keys in the configuration the header Berth-Tenant names the tenant; with keys it is that of the key.',
};

@Module({
  imports: [
    StoresModule.of({ deadlineMs: ({ store }) => store.decisionDeadlineMs, observed: true }),
    CommandsModule,
    ApiModule.of(API_TITLE),
  ],
  controllers: [SessionsController, NodesController, EventsController, TransferController],
  providers: [
    AdmissionService,
    EventsService,
    GatewayMetrics,
    LimitsPublisherService,
    NodesService,
    SessionsService,
    TenantsRepository,
    TransfersService,
    WarmUpService,
    {
      provide: PulseService,
      inject: [CONFIG, REDIS, LOGGER, TenantRegistryService],
      useFactory: (config: BerthConfig, client: StoreClient, logger: Logger, registry: TenantRegistryService) =>
        new PulseService(config, client, logger, registry, { takesBeats: true }),
    },
  ],
})
export class AppModule {}
