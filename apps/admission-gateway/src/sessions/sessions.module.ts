import { Module } from '@nestjs/common';

import { TenantsModule } from '../tenants/tenants.module.js';
import { AdmissionService } from './admission.service.js';
import { GatewayMetrics } from './gateway.metrics.js';
import { SessionCalls } from './session-calls.service.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsService } from './sessions.service.js';
import { TransferController } from './transfer.controller.js';
import { TransfersService } from './transfers.service.js';

/** A session from its admission to its end, by call. */
@Module({
  imports: [TenantsModule],
  controllers: [SessionsController, TransferController],
  providers: [AdmissionService, GatewayMetrics, SessionCalls, SessionsService, TransfersService],
  exports: [GatewayMetrics, SessionCalls],
})
export class SessionsModule {}
