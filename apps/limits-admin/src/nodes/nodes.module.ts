import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { TenantsModule } from '../tenants.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { DrainNodeService } from './drain-node.service.js';
import { ForgetNodeService } from './forget-node.service.js';
import { FuseService } from './fuse.service.js';
import { NodesController } from './nodes.controller.js';

/** Nodes and fuses. */
@Module({
  imports: [BooksModule, TenantsModule, SessionsModule],
  controllers: [NodesController],
  providers: [DrainNodeService, ForgetNodeService, FuseService],
})
export class NodesModule {}
