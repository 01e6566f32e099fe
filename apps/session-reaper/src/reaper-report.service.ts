import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, logIdleSessionTerminated, logSessionRemoved, peerOf, type Logger } from '#service-kit';
import type { Sweep } from '#session-core';

import { ReaperMetrics, type PassTrigger } from './reaper.metrics.js';

/** Tells the log and the metrics what the sweeps do. Everybody else learns of an ending from the outbox. */
@Injectable()
export class ReaperReportService {
  private failing = false;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: ReaperMetrics,
  ) {}

  sessionsEnded(ended: Sweep['ended']): void {
    for (const { session, latenessMs } of ended) {
      this.metrics.sessionEnded(session.endReason, latenessMs);
      const event = { sessionId: session.id, user: session.user, peer: peerOf(session) };
      if (session.endReason === 'idle_timeout') logIdleSessionTerminated(this.logger, event);
      else logSessionRemoved(this.logger, event);
    }
  }

  /** A sweep could not be done. One line until a pass over all shards has succeeded again. */
  sweepFailed(error: unknown): void {
    if (!this.failing) this.logger.error({ err: error }, 'Sweep failed; it will be tried again and again');
    this.failing = true;
  }

  passDone(trigger: PassTrigger, durationMs: number): void {
    this.metrics.passDone(trigger, durationMs);
    if (this.failing) this.logger.info('Sweeps work again');
    this.failing = false;
  }
}
