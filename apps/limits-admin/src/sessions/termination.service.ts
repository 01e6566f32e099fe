import { Inject, Injectable } from '@nestjs/common';

import { assertMaySpeakForSession, LOGGER, mayReadOf, Metrics, type Logger, type Principal } from '#service-kit';
import {
  Books,
  SessionStore,
  type EndedSession,
  type EndOutcome,
  type LimitKey,
  type SessionFilter,
  type SessionPage,
  type SessionRef,
  type TenantRef,
} from '#session-core';
import { logSessionKilled, peerOf } from '#session-wire';

/** Ended side by side; each is one script of its own, so that no other call waits for more than one. */
const BATCH = 100;

/** The part of a filter that lets through only what the caller may see. */
export function visibleTo(caller: Principal): Pick<SessionFilter, 'isOnNode'> {
  return caller.nodes === null ? {} : { isOnNode: (node) => mayReadOf(caller, node) };
}

/** Who has sessions ended, and why. */
export interface Kill {
  by: Principal;
  /** As the operator wrote it; empty for nothing. */
  note: string;
}

/** Ends sessions because an operator says so; their nodes get the command to hang up. Log, event and history name the operator. */
@Injectable()
export class TerminationService {
  private readonly ended;

  constructor(
    private readonly store: SessionStore,
    private readonly books: Books,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.ended = metrics.counter('berth_sessions_ended_total', 'Sessions that this process ended, by reason', [
      'reason',
    ]);
  }

  /** Ends one session. Returns false if it is not live. Throws `forbidden` where it is on none of the nodes that the caller is bound to. */
  async ofSession(tenant: TenantRef, ref: SessionRef, { by, note }: Kill): Promise<boolean> {
    await assertMaySpeakForSession(by, this.store, tenant, ref);
    const ending = { reason: 'killed', note, by: 'berth', endedBy: by.id } as const;
    const outcome: EndOutcome = await this.store.end(tenant, ref, ending);
    if (outcome.kind !== 'now') return false;
    this.record(outcome.session, by);
    return true;
  }

  /**
   * Ends sessions above one limit until it holds, and returns how many it ended. Emergency sessions stay, also if the limit does not hold then.
   *
   * A failure half-way leaves those ended that were; the call may be repeated.
   */
  async ofLimit(tenant: TenantRef, key: LimitKey, by: Principal): Promise<number> {
    for (let terminated = 0; ;) {
      const { ended, over } = await this.store.trim(tenant, key, BATCH, by.id);
      ended.forEach((session) => this.record(session, by));
      terminated += ended.length;
      if (over <= 0 || ended.length === 0) return terminated;
    }
  }

  /**
   * Ends the sessions of a user that are live now, oldest first, and returns how many it ended; for a caller that is bound to nodes, those
   * of its nodes. One that starts meanwhile stays.
   *
   * A failure half-way leaves those ended that were; the call may be repeated.
   */
  async ofUser(tenant: TenantRef, user: string, kill: Kill): Promise<number> {
    const newestMs = await this.books.newestStartOfUser(tenant, user);
    if (newestMs === null) return 0;
    if (kill.by.nodes !== null) return await this.ofUserAtItsNodes(tenant, user, newestMs, kill);
    for (let terminated = 0; ;) {
      const ids = await this.books.oldestOfUser(tenant, user, newestMs, BATCH);
      const ended = await Promise.all(ids.map((sessionId) => this.ofSession(tenant, { sessionId, user }, kill)));
      const now = ended.filter(Boolean).length;
      terminated += now;
      // A full batch of which this call ended none is in other hands: another operator's, or the sweep's.
      if (ids.length < BATCH || now === 0) return terminated;
    }
  }

  private async ofUserAtItsNodes(tenant: TenantRef, user: string, newestMs: number, kill: Kill): Promise<number> {
    const filter = { user, ...visibleTo(kill.by) };
    let terminated = 0;
    let cursor: string | null = null;
    do {
      const page: SessionPage = await this.books.sessions(tenant, filter, cursor, BATCH);
      const due = page.sessions.filter(({ startedAtMs }) => startedAtMs <= newestMs);
      const ended = await Promise.all(due.map(({ id }) => this.ofSession(tenant, { sessionId: id, user }, kill)));
      terminated += ended.filter(Boolean).length;
      cursor = page.nextCursor;
    } while (cursor !== null);
    return terminated;
  }

  /** Tells the log and the metrics of a session that was ended for this caller. */
  record(session: EndedSession, { id }: Principal): void {
    this.ended.inc({ reason: session.endReason });
    logSessionKilled(this.logger, { sessionId: session.id, user: session.user, peer: peerOf(session) }, id);
  }
}
