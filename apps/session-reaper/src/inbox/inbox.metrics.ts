import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Metrics } from '#service-kit';

@Injectable()
export class InboxMetrics {
  private readonly events: Counter<'type' | 'outcome'>;
  private readonly deadLetters: Counter;
  private readonly entriesLost: Counter;

  constructor(metrics: Metrics) {
    this.events = metrics.counter({
      name: 'berth_inbox_events_total',
      help: 'Events that servers published, by type and by whether they changed anything.',
      labelNames: ['type', 'outcome'],
    });
    this.deadLetters = metrics.counter({
      name: 'berth_dead_letters_total',
      help: 'Events that were given up because they can never be applied.',
    });
    this.entriesLost = metrics.counter({
      name: 'berth_inbox_events_lost_total',
      help: 'Events that were trimmed away before they were applied.',
    });
  }

  /** `type` is one that is known: others are dead letters. */
  applied(type: string, status: number): void {
    this.events.inc({ type, outcome: status < 400 ? 'applied' : 'without_effect' });
  }

  deadLettered(): void {
    this.deadLetters.inc();
  }

  lost(count: number): void {
    this.entriesLost.inc(count);
  }
}
