import { Inject, Injectable } from '@nestjs/common';

import { LOGGER, type Logger } from '#service-kit';
import { StoreUnavailableError, type AuditFindings, type EndedSession, type Sweep } from '#session-core';
import { logIdleSessionTerminated, logSessionRemoved, peerOf } from '#session-wire';

import { ReaperMetrics, type PassTrigger } from './reaper.metrics.js';

/** Tells the log and the metrics what the sweeps do. Everybody else learns of an ending from the outbox. */
@Injectable()
export class ReaperReportService {
  private failing = false;
  private watchFailing = false;
  private auditFailing = false;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: ReaperMetrics,
  ) {}

  sessionsSwept(ended: Sweep['ended']): void {
    for (const { session, latenessMs } of ended) {
      this.metrics.expired(latenessMs);
      this.sessionEnded(session);
    }
  }

  sessionEnded(session: EndedSession): void {
    this.metrics.sessionEnded(session.endReason);
    const event = { sessionId: session.id, user: session.user, peer: peerOf(session) };
    if (session.endReason === 'idle_timeout') logIdleSessionTerminated(this.logger, event);
    else logSessionRemoved(this.logger, event);
  }

  /** Nodes were looked at, or could not be, and why. One line until it works again. */
  nodesWatched(error: unknown): void {
    if (error !== undefined && !this.watchFailing) {
      this.logger.error({ err: error }, 'Nodes not watched; it will be tried again and again');
    }
    if (error === undefined && this.watchFailing) this.logger.info('Nodes are watched again');
    this.watchFailing = error !== undefined;
  }

  nodeLost(tenant: string, node: string, epoch: number): void {
    this.metrics.nodeLost();
    this.logger.warn({ tenant, node, epoch }, 'Node lost: it did not beat for its lease; what it held ends');
  }

  /** The fuse on nodes stopped a pass. One line when it trips. */
  nodesFuseTripped(tenant: string, silent: number, live: number): void {
    this.metrics.fuseTripped('nodes');
    this.logger.error(
      { tenant, fuse: 'nodes', silent, live },
      'Fuse tripped: too many nodes fell silent together, so none is lost; POST /api/sessions/fuses/nodes/allow lets it through',
    );
  }

  /** More sessions were created within an hour than the threshold, or no longer. */
  creationAlert(state: 'raised' | 'over', about: { tenant: string; created: number; threshold: number }): void {
    if (state === 'over') {
      this.logger.info(about, 'Sessions created within an hour are below the alert threshold again');
      return;
    }
    this.metrics.creationAlert();
    this.logger.warn(about, 'More sessions created within an hour than session_creation_alert_threshold');
  }

  /** A pass of the audit over a shard is done. One line where it had something to mend. */
  audited(tenant: string, shard: number, found: AuditFindings): void {
    if (this.auditFailing) this.logger.info('The audit works again');
    this.auditFailing = false;
    if (Object.values(found).every((count) => count === 0)) return;
    this.logger.warn(
      { tenant, shard, ...found },
      'Indices and records did not agree, and were mended: keys of Redis were evicted, deleted or written by others',
    );
  }

  /** A piece of the audit could not be done; nothing was ended for it. One line until a pass has come to its end; that Redis is away the sweeps say. */
  auditFailed(tenant: string, error: unknown): void {
    if (error instanceof StoreUnavailableError && error.isAway) return;
    if (!this.auditFailing) this.logger.error({ err: error, tenant }, 'Audit failed; it will be tried again and again');
    this.auditFailing = true;
  }

  /** A sweep could not be done. One line until all shards were reached again. */
  sweepFailed(error: unknown): void {
    if (!this.failing) this.logger.error({ err: error }, 'Sweep failed; it will be tried again and again');
    this.failing = true;
  }

  passDone(trigger: PassTrigger, durationMs: number): void {
    this.metrics.passDone(trigger, durationMs);
    this.shardsReached();
  }

  /** All shards were swept, or looked after, without a failure. */
  shardsReached(): void {
    if (this.failing) this.logger.info('Sweeps work again');
    this.failing = false;
  }
}
