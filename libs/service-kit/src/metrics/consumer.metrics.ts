import type { Counter } from 'prom-client';

import type { Metrics } from './metrics.service.js';

/** What a consumer of streams could not do; the metrics of the inbox and of history are of this kind. */
export abstract class ConsumerMetrics {
  private readonly deadLetters: Counter;
  private readonly entriesLost: Counter;

  /** Lost events have a counter of this name, with this help, to themselves. */
  constructor(metrics: Metrics, lostName: string, lostHelp: string) {
    this.deadLetters = metrics.counter(
      'berth_dead_letters_total',
      'Events that were given up because they can never be applied.',
    );
    this.entriesLost = metrics.counter(lostName, lostHelp);
  }

  deadLettered(): void {
    this.deadLetters.inc();
  }

  lost(count: number): void {
    this.entriesLost.inc(count);
  }
}
