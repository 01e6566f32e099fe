import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';

import { Metrics } from '#service-kit';
import type { RowChange } from '#session-history';

import { RustsocksMetrics } from './rustsocks.metrics.js';
import { HistoryCountsMetrics } from './history-counts.metrics.js';

/** What the process that writes history did. */
@Injectable()
export class HistoryMetrics {
  private readonly batches: Histogram;
  private readonly deadLetters: Counter;
  private readonly entriesLost: Counter;

  constructor(
    metrics: Metrics,
    private readonly counts: HistoryCountsMetrics,
    private readonly rustsocks: RustsocksMetrics,
  ) {
    this.batches = metrics.histogram({
      name: 'berth_history_batch_seconds',
      help: 'How long transactions of history took.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
    });
    this.deadLetters = metrics.counter({
      name: 'berth_dead_letters_total',
      help: 'Events that were given up because they can never be applied.',
    });
    this.entriesLost = metrics.counter({
      name: 'berth_history_events_lost_total',
      help: 'Events that were trimmed away before they were in history.',
    });
  }

  /** A transaction was committed that took so long. */
  written(changes: readonly RowChange[], seconds: number): void {
    this.batches.observe(seconds);
    this.counts.applied(changes);
    this.rustsocks.applied(changes);
  }

  deadLettered(): void {
    this.deadLetters.inc();
  }

  lost(count: number): void {
    this.entriesLost.inc(count);
  }
}
