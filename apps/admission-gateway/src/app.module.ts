import { Module } from '@nestjs/common';

import { AdmissionService } from './admission.service.js';
import { GatewayMetrics } from './gateway.metrics.js';
import { SessionsController } from './http/sessions.controller.js';
import { LimitsPublisherService } from './limits-publisher.service.js';
import { SessionsService } from './sessions.service.js';
import { TenantsRepository } from './tenants.repository.js';

@Module({
  controllers: [SessionsController],
  providers: [AdmissionService, GatewayMetrics, LimitsPublisherService, SessionsService, TenantsRepository],
})
export class AppModule {}
