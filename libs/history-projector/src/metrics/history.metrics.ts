import { Injectable } from '@nestjs/common';
import type { Histogram } from 'prom-client';

import { ConsumerMetrics, Metrics } from '#service-kit';
import type { RowChange } from '#session-history';

import { RustsocksMetrics } from './rustsocks.metrics.js';
import { HistoryCountsMetrics } from './history-counts.metrics.js';

/** What the process that writes history did. */
@Injectable()
export class HistoryMetrics extends ConsumerMetrics {
  private readonly batches: Histogram;

  constructor(
    metrics: Metrics,
    private readonly counts: HistoryCountsMetrics,
    private readonly rustsocks: RustsocksMetrics,
  ) {
    super(metrics, 'berth_history_events_lost_total', 'Events that were trimmed away before they were in history.');
    this.batches = metrics.histogram(
      'berth_history_batch_seconds',
      'How long transactions of history took.',
      [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
    );
  }

  /** A transaction was committed that took so long. */
  written(changes: readonly RowChange[], seconds: number): void {
    this.batches.observe(seconds);
    this.counts.applied(changes);
    this.rustsocks.applied(changes);
  }
}
