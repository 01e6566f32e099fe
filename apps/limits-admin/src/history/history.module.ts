import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, REDIS } from '#service-kit';
import { Traces, type StoreClient } from '#session-core';

import { BooksModule } from '../books.module.js';
import { listDeadlineMs } from '../list-deadline.js';
import { ExportController } from './api/export.controller.js';
import { HistoryController } from './api/history.controller.js';
import { Questions } from './api/questions.js';
import { StatisticsController } from './api/statistics.controller.js';
import { Statistics } from './api/statistics.service.js';
import { RustsocksMetrics } from './compat/rustsocks.metrics.js';
import { ErasuresController } from './erasing/erasures.controller.js';
import { Erasures } from './erasing/erasures.service.js';
import { HistoryCountsMetrics } from './history-counts.metrics.js';
import { HistoryHealth } from './history.health.js';
import { HistoryMetrics } from './history.metrics.js';
import { History } from './history.service.js';
import { RetentionMetrics } from './keeping/retention.metrics.js';
import { Retention } from './keeping/retention.service.js';
import { Projector } from './projector/projector.service.js';

/** Past sessions: brought into the database, kept, asked for, erased. */
@Module({
  imports: [BooksModule],
  controllers: [StatisticsController, HistoryController, ExportController, ErasuresController],
  providers: [
    Erasures,
    History,
    HistoryCountsMetrics,
    HistoryHealth,
    HistoryMetrics,
    Projector,
    Questions,
    Retention,
    RetentionMetrics,
    RustsocksMetrics,
    Statistics,
    {
      provide: Traces,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Traces(client, listDeadlineMs(store)),
    },
  ],
  exports: [History],
})
export class HistoryModule {}
