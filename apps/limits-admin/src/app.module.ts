import { Module } from '@nestjs/common';

import { CONFIG, REDIS, type BerthConfig } from '#service-kit';
import { Books, LimitsStore, SessionStore, type StoreClient } from '#session-core';

import { AdminMetrics } from './admin.metrics.js';
import { LimitsController } from './limits/limits.controller.js';
import { LimitsService } from './limits/limits.service.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { TerminationService } from './sessions/termination.service.js';
import { Tenants } from './tenants.service.js';
import { UsersController } from './users/users.controller.js';
import { UsersService } from './users/users.service.js';

@Module({
  controllers: [LimitsController, UsersController, SessionsController],
  providers: [
    Tenants,
    LimitsService,
    UsersService,
    TerminationService,
    AdminMetrics,
    {
      provide: SessionStore,
      inject: [CONFIG, REDIS],
      useFactory: ({ store, tombstoneMs }: BerthConfig, client: StoreClient) =>
        new SessionStore({ client, deadlineMs: store.decisionDeadlineMs, tombstoneMs }),
    },
    { provide: LimitsStore, inject: [SessionStore], useFactory: (store: SessionStore) => store.limits },
    {
      provide: Books,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Books(client, store.decisionDeadlineMs),
    },
  ],
})
export class AppModule {}
