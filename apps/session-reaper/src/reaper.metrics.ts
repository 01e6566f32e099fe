import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';

import { Metrics } from '#service-kit';
import type { EndReason } from '#session-core';

/** What set a pass over all shards off: the repeating job, or this process's own timer because it had none for too long. */
export type PassTrigger = 'queue' | 'timer';

@Injectable()
export class ReaperMetrics {
  private readonly ended: Counter<'reason'>;
  private readonly lateness: Histogram;
  private readonly passes: Histogram<'trigger'>;

  constructor(metrics: Metrics) {
    this.ended = metrics.counter({
      name: 'berth_sessions_ended_total',
      help: 'Sessions that this process ended, by reason.',
      labelNames: ['reason'],
    });
    this.lateness = metrics.histogram({
      name: 'berth_expiry_lateness_seconds',
      help: 'How long after its due moment a session was ended.',
      buckets: [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
    });
    this.passes = metrics.histogram({
      name: 'berth_sweep_duration_seconds',
      help: 'Duration of a pass over all shards, by what set it off: the queue or the own timer.',
      labelNames: ['trigger'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    });
  }

  sessionEnded(reason: EndReason, latenessMs: number): void {
    this.ended.inc({ reason });
    this.lateness.observe(latenessMs / 1_000);
  }

  passDone(trigger: PassTrigger, durationMs: number): void {
    this.passes.observe({ trigger }, durationMs / 1_000);
  }
}
