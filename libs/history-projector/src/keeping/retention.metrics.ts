import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Metrics } from '#service-kit';

/** What retention took out of history. */
@Injectable()
export class RetentionMetrics {
  private readonly rows: Counter;
  private doneAtMs: number | null = null;

  constructor(metrics: Metrics) {
    this.rows = metrics.counter(
      'berth_history_rows_removed_total',
      'Rows of history that were removed because they are older than history.retention_days.',
    );
    metrics.gauge(
      'berth_history_last_cleanup_timestamp_seconds',
      'When this process last removed all that is too old; absent before.',
      () => (this.doneAtMs === null ? null : this.doneAtMs / 1_000),
    );
  }

  removed(rows: number): void {
    this.rows.inc(rows);
  }

  done(): void {
    this.doneAtMs = Date.now();
  }
}
