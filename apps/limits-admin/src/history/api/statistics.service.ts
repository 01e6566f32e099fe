import { Injectable } from '@nestjs/common';

import { HOUR_MS } from '#basics';
import { policyFor, type TenantConfig } from '#config';
import { History } from '#history-projector';
import { Clock } from '#service-kit';
import { Books } from '#session-core';

import { gapsView } from './history.view.js';

/** How many sessions are looked at to find the idle ones. */
const MAX_EXAMINED = 1_000;

/** What history says of a window, beside what the books say of this moment. */
@Injectable()
export class Statistics {
  constructor(
    private readonly history: History,
    private readonly books: Books,
    private readonly clock: Clock,
  ) {}

  /** Throws HistoryUnavailableError and StoreUnavailableError: half of it would look like the whole. */
  async of(tenant: TenantConfig, windowMs: number) {
    const { readable } = this.history;
    const sinceMs = Date.now() - windowMs;
    const [stats, gaps, activeSessions, ofUsers, idle] = await Promise.all([
      readable.stats(tenant.name, sinceMs),
      readable.gaps(tenant.name, { sinceMs }),
      this.books.total(tenant),
      this.books.totalOfUsers(tenant),
      this.idle(tenant),
    ]);
    return {
      window_hours: windowMs / HOUR_MS,
      active_sessions: activeSessions,
      total_sessions: stats.totalSessions,
      total_bytes_sent: stats.bytesSent,
      total_bytes_received: stats.bytesReceived,
      top_users: stats.topUsers,
      top_destinations: stats.topDestinations,
      peakConcurrentSessions: stats.peakSessions,
      averageDuration: stats.averageDurationSecs,
      limitViolations: stats.refusals - (stats.refusalsBy['acl'] ?? 0),
      authenticated_sessions: ofUsers.sessions,
      idle_sessions: idle.sessions,
      unique_users: ofUsers.users,
      ...(idle.more && { idle_sessions_at_least: true }),
      ...gapsView(gaps),
    };
  }

  /**
   * Active sessions without activity for more than half of the idle time that their protocol has; a protocol without one has no idle
   * sessions. Each of them is due within half of the longest idle time: those alone are looked at, the first 1,000 of them.
   */
  private async idle(tenant: TenantConfig): Promise<{ sessions: number; more: boolean }> {
    const longestMs = Math.max(...Object.values(tenant.sessions).map(({ idleMs }) => idleMs));
    if (longestMs <= 0) return { sessions: 0, more: false };
    const nowMs = await this.clock.nowMs();
    const { sessions, more } = await this.books.dueBy(tenant, nowMs + longestMs / 2, MAX_EXAMINED);
    const idle = sessions.filter(({ state, protocol, lastActivityAtMs }) => {
      const { idleMs } = policyFor(tenant, protocol);
      return state === 'active' && idleMs > 0 && nowMs - lastActivityAtMs > idleMs / 2;
    });
    return { sessions: idle.length, more };
  }
}
