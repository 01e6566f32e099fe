import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { CommandsModule } from '../commands/commands.module.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { TenantsModule } from '../tenants/tenants.module.js';
import { AdmissionMethods } from './admission-methods.service.js';
import { CallGate } from './call-gate.service.js';
import { CallMethods } from './call-methods.service.js';
import { GrpcServer } from './grpc-server.service.js';
import { HealthMethods } from './health-methods.service.js';
import { NodeMethods } from './node-methods.service.js';
import { OpenStreams } from './open-streams.service.js';

/** The gRPC services of the gateway. */
@Module({
  imports: [BooksModule, CommandsModule, NodesModule, SessionsModule, TenantsModule],
  providers: [AdmissionMethods, CallGate, CallMethods, GrpcServer, HealthMethods, NodeMethods, OpenStreams],
})
export class GrpcModule {}
