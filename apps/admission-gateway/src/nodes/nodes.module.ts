import { Module } from '@nestjs/common';

import { SessionsModule } from '../sessions/sessions.module.js';
import { TenantsModule } from '../tenants/tenants.module.js';
import { NodesController } from './nodes.controller.js';
import { NodesService } from './nodes.service.js';

/** Beats of servers, the lists of what they hold, and their leaving. */
@Module({
  imports: [SessionsModule, TenantsModule],
  controllers: [NodesController],
  providers: [NodesService],
  exports: [NodesService],
})
export class NodesModule {}
