import { Module } from '@nestjs/common';

import { CommandsModule } from '../commands/commands.module.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AdmissionMethods } from './admission-methods.service.js';
import { CallGate } from './call-gate.service.js';
import { GrpcServer } from './grpc-server.service.js';
import { HealthMethods } from './health-methods.service.js';
import { NodeMethods } from './node-methods.service.js';
import { OpenStreams } from './open-streams.service.js';

/** The gRPC services of the gateway. */
@Module({
  imports: [CommandsModule, NodesModule, SessionsModule],
  providers: [AdmissionMethods, CallGate, GrpcServer, HealthMethods, NodeMethods, OpenStreams],
})
export class GrpcModule {}
