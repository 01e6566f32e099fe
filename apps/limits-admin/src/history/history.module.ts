import { Module } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { HistoryProjectorModule } from '#history-projector';
import { BooksModule, CONFIG, listDeadlineMs, REDIS } from '#service-kit';
import { Traces, type StoreClient } from '#session-core';

import { TenantsModule } from '../tenants.module.js';
import { ExportProgress } from './api/export-progress.service.js';
import { ExportController } from './api/export.controller.js';
import { HistoryController } from './api/history.controller.js';
import { Questions } from './api/questions.js';
import { StatisticsController } from './api/statistics.controller.js';
import { Statistics } from './api/statistics.service.js';
import { ErasuresController } from './erasing/erasures.controller.js';
import { Erasures } from './erasing/erasures.service.js';

/** Past sessions: asked for, and erased; they are brought into the database and kept by `HistoryProjectorModule`. */
@Module({
  imports: [BooksModule, HistoryProjectorModule, TenantsModule],
  controllers: [StatisticsController, HistoryController, ExportController, ErasuresController],
  providers: [
    Erasures,
    ExportProgress,
    Questions,
    Statistics,
    {
      provide: Traces,
      inject: [CONFIG, REDIS],
      useFactory: ({ store }: BerthConfig, client: StoreClient) => new Traces(client, listDeadlineMs(store)),
    },
  ],
})
export class HistoryModule {}
