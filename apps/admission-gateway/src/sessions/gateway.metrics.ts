import { Injectable } from '@nestjs/common';

import { Metrics, type ProblemCode } from '#service-kit';
import type { Decision, EndReason, LimitScope } from '#session-core';

import { TenantsRepository } from '../tenants/tenants.repository.js';

/** What an admission came to; `failed`: nothing could be decided. */
type DecisionLabel = Decision['kind'] | 'failed';
type ReasonLabel = 'new' | 'repeated' | ProblemCode;

/** From a Redis on the same machine to the deadline and what lies behind it. */
const DURATION_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

@Injectable()
export class GatewayMetrics {
  private readonly duration;
  private readonly admissions;
  private readonly rejections;
  private readonly ended;
  private readonly overshoots;
  private readonly observed;

  constructor(metrics: Metrics, tenants: TenantsRepository) {
    this.duration = metrics.histogram(
      'berth_admission_duration_seconds',
      'Time from a valid request to its decision, failures included',
      DURATION_BUCKETS_S,
    );
    this.admissions = metrics.counter('berth_admissions_total', 'Admissions asked for, by decision and reason', [
      'decision',
      'reason',
    ]);
    this.rejections = metrics.counter('session_limit_rejections_total', 'Sessions refused because a limit was full');
    this.ended = metrics.counter('berth_sessions_ended_total', 'Sessions that this process ended, by reason', [
      'reason',
    ]);
    this.overshoots = metrics.counter(
      'berth_overshoot_total',
      'Sessions admitted although a limit was full, by cause',
      ['cause'],
    );
    this.observed = metrics.counter(
      'berth_limits_observed_total',
      'Sessions admitted although a limit was full that is only measured, by scope',
      ['scope'],
    );
    metrics.gauge(
      'berth_withdrawals_pending',
      'Admissions whose answer was lost and that are not taken back yet',
      () => tenants.pendingWithdrawals,
    );
  }

  /** Starts the clock of one admission; call the result when it is over. */
  startAdmission(): () => void {
    return this.duration.startTimer();
  }

  admission(decision: DecisionLabel, reason: ReasonLabel): void {
    this.admissions.inc({ decision, reason });
    if (decision === 'rejected') this.rejections.inc();
  }

  overshoot(cause: 'emergency' | 'lowered_limit'): void {
    this.overshoots.inc({ cause });
  }

  /** A limit that is only measured would have refused this session. */
  limitObserved(scope: LimitScope): void {
    this.observed.inc({ scope });
  }

  sessionsEnded(reason: EndReason, count: number): void {
    this.ended.inc({ reason }, count);
  }
}
