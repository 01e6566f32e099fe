import { Module } from '@nestjs/common';

import { BooksModule } from '#service-kit';

import { HistoryHealth } from './history.health.js';
import { History } from './history.service.js';
import { RetentionMetrics } from './keeping/retention.metrics.js';
import { Retention } from './keeping/retention.service.js';
import { HistoryCountsMetrics } from './metrics/history-counts.metrics.js';
import { HistoryMetrics } from './metrics/history.metrics.js';
import { RustsocksMetrics } from './metrics/rustsocks.metrics.js';
import { Projector } from './projector/projector.service.js';

/** Brings past sessions into the history database and keeps them there; `History` gives others that database. */
@Module({
  imports: [BooksModule],
  providers: [
    History,
    HistoryCountsMetrics,
    HistoryHealth,
    HistoryMetrics,
    Projector,
    Retention,
    RetentionMetrics,
    RustsocksMetrics,
  ],
  exports: [History],
})
export class HistoryProjectorModule {}
