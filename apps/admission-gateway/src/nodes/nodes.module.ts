import { Module } from '@nestjs/common';

import { TenantsModule } from '../tenants/tenants.module.js';
import { NodesController } from './nodes.controller.js';
import { NodesService } from './nodes.service.js';

/** Beats of servers, and the lists of what they hold. */
@Module({ imports: [TenantsModule], controllers: [NodesController], providers: [NodesService] })
export class NodesModule {}
