import { Injectable } from '@nestjs/common';
import type { Counter, Gauge } from 'prom-client';

import { Metrics } from '#service-kit';

/** What retention took out of history. */
@Injectable()
export class RetentionMetrics {
  private readonly rows: Counter;
  private readonly last: Gauge;

  constructor(metrics: Metrics) {
    this.rows = metrics.counter({
      name: 'berth_history_rows_removed_total',
      help: 'Rows of history that were removed because they are older than history.retention_days.',
    });
    this.last = metrics.gauge({
      name: 'berth_history_last_cleanup_timestamp_seconds',
      help: 'When this process last removed all that is too old; absent before.',
    });
    this.last.remove();
  }

  removed(rows: number): void {
    this.rows.inc(rows);
  }

  done(): void {
    this.last.setToCurrentTime();
  }
}
