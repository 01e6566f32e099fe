import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { ConsumerMetrics, Metrics } from '#service-kit';

@Injectable()
export class InboxMetrics extends ConsumerMetrics {
  private readonly events: Counter<'type' | 'outcome'>;

  constructor(metrics: Metrics) {
    super(metrics, 'berth_inbox_events_lost_total', 'Events that were trimmed away before they were applied.');
    this.events = metrics.counter(
      'berth_inbox_events_total',
      'Events that servers published, by type and by whether they changed anything.',
      ['type', 'outcome'],
    );
  }

  /** `type` is one that is known: others are dead letters. */
  applied(type: string, status: number): void {
    this.events.inc({ type, outcome: status < 400 ? 'applied' : 'without_effect' });
  }
}
