import { Module } from '@nestjs/common';

import { ApiModule, PulseModule, StoresModule } from '#service-kit';

import { CommandsModule } from './commands/commands.module.js';
import { EventsModule } from './events/events.module.js';
import { GrpcModule } from './grpc/grpc.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { NodesModule } from './nodes/nodes.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { WarmUpModule } from './warm-up/warm-up.module.js';

/** What `GET /openapi.json` says of the whole. */
export const API_TITLE = {
  title: 'Berth admission-gateway',
  description:
    'Servers that hold sessions ask here whether one more may start, and say what becomes of those they hold. Without keys in the configuration the header Berth-Tenant names the tenant; with keys it is that of the key.',
};

@Module({
  imports: [
    StoresModule.of({ deadlineMs: ({ store }) => store.decisionDeadlineMs, observed: true }),
    PulseModule.of({ takesBeats: true }),
    ApiModule.of(API_TITLE),
    CommandsModule,
    EventsModule,
    GrpcModule,
    LimitsModule,
    NodesModule,
    SessionsModule,
    WarmUpModule,
  ],
})
export class AppModule {}
