import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { ApiModule, CONFIG, REDIS, StoresModule } from '#service-kit';
import { Audits, Books, DeadLettersStore, Traces, type StoreClient } from '#session-core';

import { AdminMetrics } from './admin.metrics.js';
import { Clock } from './clock.js';
import { CommandsMetrics } from './commands/commands.metrics.js';
import { DeadLettersController } from './dead-letters/dead-letters.controller.js';
import { DocsController } from './docs/docs.controller.js';
import { GroupsController } from './groups/groups.controller.js';
import { GroupsService } from './groups/groups.service.js';
import { RustsocksMetrics } from './history/compat/rustsocks.metrics.js';
import { HistoryCountsMetrics } from './history/history-counts.metrics.js';
import { HistoryHealth } from './history/history.health.js';
import { HistoryMetrics } from './history/history.metrics.js';
import { ExportController } from './history/api/export.controller.js';
import { HistoryController } from './history/api/history.controller.js';
import { Questions } from './history/api/questions.js';
import { StatisticsController } from './history/api/statistics.controller.js';
import { Statistics } from './history/api/statistics.service.js';
import { ErasuresController } from './history/erasing/erasures.controller.js';
import { Erasures } from './history/erasing/erasures.service.js';
import { History } from './history/history.service.js';
import { RetentionMetrics } from './history/keeping/retention.metrics.js';
import { Retention } from './history/keeping/retention.service.js';
import { Projector } from './history/projector/projector.service.js';
import { LimitChanges } from './limits/limit-changes.service.js';
import { LimitsController } from './limits/limits.controller.js';
import { LimitsService } from './limits/limits.service.js';
import { LimitUse } from './limits/limit-use.service.js';
import { UserNames } from './limits/user-names.js';
import { UserLimitsController } from './limits/user-limits.controller.js';
import { ForgetNodeService } from './nodes/forget-node.service.js';
import { FuseService } from './nodes/fuse.service.js';
import { NodesController } from './nodes/nodes.controller.js';
import { SessionAttemptsService } from './sessions/session-attempts.service.js';
import { SessionsController } from './sessions/sessions.controller.js';
import { TerminationService } from './sessions/termination.service.js';
import { SimulationController } from './simulation/simulation.controller.js';
import { SimulationService } from './simulation/simulation.service.js';
import { StreamsMetrics } from './streams.metrics.js';
import { TenantOverview } from './tenants/tenant-overview.service.js';
import { TenantsController } from './tenants/tenants.controller.js';
import { Tenants } from './tenants.service.js';
import { UsersController } from './users/users.controller.js';
import { UsersService } from './users/users.service.js';

/** A command of a list may take longer than a decision: a person waits for it, and nobody's call. */
const LIST_DEADLINE_MS = 2_000;
const listDeadlineMs = ({ decisionDeadlineMs }: BerthConfig['store']) => Math.max(decisionDeadlineMs, LIST_DEADLINE_MS);

/** What `GET /openapi.json` says of the whole. */
export const API_TITLE = {
  title: 'Berth limits-admin',
  description:
    'Limits, users, groups, nodes, and who is aboard. Without keys in the configuration the header Berth-Tenant names the tenant; with keys it is that of the key. Errors under /api have the sentence as `error` too.',
};

@Module({
  imports: [
    ApiModule.of(API_TITLE),
    StoresModule.of({ deadlineMs: ({ store }) => store.decisionDeadlineMs, observed: false }),
  ],
  controllers: [
    LimitsController,
    UserLimitsController,
    GroupsController,
    SimulationController,
    TenantsController,
    UsersController,
    NodesController,
    DeadLettersController,
    StatisticsController,
    HistoryController,
    ExportController,
    ErasuresController,
    SessionsController,
    DocsController,
  ],
  providers: [
    Clock,
    History,
    Questions,
    Statistics,
    HistoryHealth,
    HistoryMetrics,
    HistoryCountsMetrics,
    RustsocksMetrics,
    Erasures,
    Retention,
    RetentionMetrics,
    Projector,
    Tenants,
    TenantOverview,
    LimitsService,
    LimitChanges,
    LimitUse,
    UserNames,
    GroupsService,
    SimulationService,
    UsersService,
    TerminationService,
    SessionAttemptsService,
    AdminMetrics,
    CommandsMetrics,
    ForgetNodeService,
    FuseService,
    StreamsMetrics,
    {
      provide: DeadLettersStore,
      inject: [CONFIG, REDIS],
      useFactory: ({ store, tenants }: BerthConfig, client: StoreClient) =>
        new DeadLettersStore(client, listDeadlineMs(store), Object.values(tenants)),
    },
    {
      provide: Traces,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Traces(client, listDeadlineMs(store)),
    },
    {
      provide: Audits,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) =>
        new Audits({ client, deadlineMs: store.decisionDeadlineMs }),
    },
    {
      provide: Books,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Books(client, listDeadlineMs(store)),
    },
  ],
})
export class AppModule {}
