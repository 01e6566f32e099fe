import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';

import { Metrics } from '#service-kit';
import type { RowChange } from '#session-history';

import { countsOf, Growing } from './history-counts.js';

/** What sessions came to, counted by the process that writes history, once each. */
@Injectable()
export class HistoryCountsMetrics {
  private readonly durations: Histogram;
  private readonly bytes: Counter<'direction'>;
  private readonly growing = new Growing();

  constructor(metrics: Metrics) {
    this.durations = metrics.histogram(
      'berth_session_duration_seconds',
      'How long sessions lasted that ended.',
      [1, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400],
    );
    this.bytes = metrics.counter('berth_session_bytes_total', 'Bytes that sessions reported.', ['direction']);
    for (const direction of ['sent', 'received']) this.bytes.inc({ direction }, 0);
  }

  /** To be called with each batch of rows, after it is committed. */
  applied(changes: readonly RowChange[]): void {
    const { bytesSent, bytesReceived, durations } = countsOf(changes);
    this.bytes.inc({ direction: 'sent' }, this.growing.take('sent', bytesSent));
    this.bytes.inc({ direction: 'received' }, this.growing.take('received', bytesReceived));
    for (const seconds of durations) this.durations.observe(seconds);
  }
}
