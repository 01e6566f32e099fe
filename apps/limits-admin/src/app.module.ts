import { Module } from '@nestjs/common';

import { StoresModule } from '#service-kit';

import { DeadLettersModule } from './dead-letters/dead-letters.module.js';
import { DocsModule } from './docs/docs.module.js';
import { GroupsModule } from './groups/groups.module.js';
import { HistoryModule } from './history/history.module.js';
import { LimitsModule } from './limits/limits.module.js';
import { AdminMetricsModule } from './metrics/admin-metrics.module.js';
import { NodesModule } from './nodes/nodes.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { SimulationModule } from './simulation/simulation.module.js';
import { TenantOverviewModule } from './tenants/tenant-overview.module.js';
import { UsersModule } from './users/users.module.js';

export { API_TITLE } from './docs/docs.module.js';

@Module({
  imports: [
    StoresModule.of({ deadlineMs: ({ store }) => store.decisionDeadlineMs, observed: false }),
    DocsModule,
    LimitsModule,
    GroupsModule,
    SimulationModule,
    TenantOverviewModule,
    UsersModule,
    NodesModule,
    DeadLettersModule,
    HistoryModule,
    SessionsModule,
    AdminMetricsModule,
  ],
})
export class AppModule {}
