import { Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';

import { Metrics } from '#service-kit';
import type { EndReason, Fuse } from '#session-core';

/** What set a pass over all shards off: the repeating job, or this process's own timer because it had none for too long. */
export type PassTrigger = 'queue' | 'timer';

@Injectable()
export class ReaperMetrics {
  private readonly ended: Counter<'reason'>;
  private readonly lateness: Histogram;
  private readonly passes: Histogram<'trigger'>;
  private readonly nodesLost: Counter;
  private readonly fuses: Counter<'kind'>;
  private readonly creationAlerts: Counter;

  constructor(metrics: Metrics) {
    this.ended = metrics.counter('berth_sessions_ended_total', 'Sessions that this process ended, by reason.', [
      'reason',
    ]);
    this.lateness = metrics.histogram(
      'berth_expiry_lateness_seconds',
      'How long after its due moment a session was ended.',
      [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
    );
    this.nodesLost = metrics.counter('berth_nodes_lost_total', 'Nodes that did not beat for their lease.');
    this.fuses = metrics.counter(
      'berth_fuses_tripped_total',
      'Passes that were stopped before they ended too many, by kind of fuse.',
      ['kind'],
    );
    this.creationAlerts = metrics.counter(
      'berth_creation_alerts_total',
      'Times that more sessions were created within an hour than the alert threshold.',
    );
    this.passes = metrics.histogram(
      'berth_sweep_duration_seconds',
      'Duration of a pass over all shards, by what set it off: the queue or the own timer.',
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      ['trigger'],
    );
  }

  sessionEnded(reason: EndReason): void {
    this.ended.inc({ reason });
  }

  expired(latenessMs: number): void {
    this.lateness.observe(latenessMs / 1_000);
  }

  nodeLost(): void {
    this.nodesLost.inc();
  }

  fuseTripped(kind: Fuse['kind']): void {
    this.fuses.inc({ kind });
  }

  creationAlert(): void {
    this.creationAlerts.inc();
  }

  passDone(trigger: PassTrigger, durationMs: number): void {
    this.passes.observe({ trigger }, durationMs / 1_000);
  }
}
