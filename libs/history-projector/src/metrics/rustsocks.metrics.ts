import { Inject, Injectable } from '@nestjs/common';
import type { Counter, Histogram } from 'prom-client';

import type { BerthConfig } from '#config';
import { CONFIG, Metrics } from '#service-kit';
import { Books } from '#session-core';
import type { RowChange } from '#session-history';

import { countsOf, Growing, userCountsOf } from './history-counts.js';
import { TopUsers } from './top-users.js';

/** How users are distinguished here; only one of another tenant than `default` has its name as label. */
const keyOf = (tenant: string, user: string): string => `${tenant}\n${user}`;

/**
 * The metrics of the SOCKS proxy whose dashboards go on with Berth, under their names there; none unless `metrics.compat` says so. Counters are
 * those of the process that writes history, and count each row once.
 */
@Injectable()
export class RustsocksMetrics {
  private readonly counters: Counters | null;

  constructor(metrics: Metrics, books: Books, @Inject(CONFIG) config: BerthConfig) {
    const { compat, topUsers } = config.metrics;
    this.counters = compat === 'rustsocks' ? new Counters(metrics, topUsers) : null;
    if (this.counters === null) return;
    metrics.gauge('rustsocks_active_sessions', 'Live sessions.', async () => {
      const totals = await Promise.all(Object.values(config.tenants).map((tenant) => books.total(tenant)));
      return totals.reduce((sum, total) => sum + total, 0);
    });
  }

  /** To be called with each batch of rows, after it is committed. */
  applied(changes: readonly RowChange[]): void {
    this.counters?.count(changes);
  }
}

class Counters {
  private readonly sessions: Counter;
  private readonly rejected: Counter;
  private readonly durations: Histogram;
  private readonly sent: Counter;
  private readonly received: Counter;
  private readonly bySessions: TopUsers;
  private readonly byBytes: TopUsers;
  private readonly growing = new Growing();

  constructor(metrics: Metrics, topUsers: number) {
    this.sessions = metrics.counter('rustsocks_sessions_total', 'Sessions that began.');
    this.rejected = metrics.counter(
      'rustsocks_sessions_rejected_total',
      'Sessions that were refused, by a limit or by a rule of a server.',
    );
    this.durations = metrics.histogram(
      'rustsocks_session_duration_seconds',
      'How long sessions lasted that ended.',
      [0.1, 0.5, 1, 5, 10, 30, 60, 300],
    );
    this.sent = metrics.counter('rustsocks_bytes_sent_total', 'Bytes sent.');
    this.received = metrics.counter('rustsocks_bytes_received_total', 'Bytes received.');
    this.bySessions = new TopUsers(topUsers);
    metrics.countersRead(
      'rustsocks_user_sessions_total',
      'Sessions that began, of the users with the most, metrics.top_users of them.',
      ['user', 'tenant'],
      () => this.bySessions.top().map(([key, [sessions = 0]]) => [labelsOf(key), sessions]),
    );
    this.byBytes = new TopUsers(topUsers);
    metrics.countersRead(
      'rustsocks_user_bandwidth_bytes_total',
      'Bytes of the users with the most, metrics.top_users of them.',
      ['user', 'direction', 'tenant'],
      () =>
        this.byBytes.top().flatMap(([key, [sent = 0, received = 0]]) => [
          [{ ...labelsOf(key), direction: 'sent' }, sent],
          [{ ...labelsOf(key), direction: 'received' }, received],
        ]),
    );
  }

  count(changes: readonly RowChange[]): void {
    const { sessions, rejected, bytesSent, bytesReceived, durations } = countsOf(changes);
    this.sessions.inc(sessions);
    this.rejected.inc(rejected);
    this.sent.inc(this.growing.take('sent', bytesSent));
    this.received.inc(this.growing.take('received', bytesReceived));
    for (const seconds of durations) this.durations.observe(seconds);
    for (const counts of userCountsOf(changes)) {
      const key = keyOf(counts.tenant, counts.user);
      this.bySessions.add(key, counts.sessions);
      const sent = this.growing.take(`sent ${key}`, counts.bytesSent);
      this.byBytes.add(key, sent, this.growing.take(`received ${key}`, counts.bytesReceived));
    }
  }
}

function labelsOf(key: string): { user: string; tenant?: string } {
  const at = key.indexOf('\n');
  const [tenant, user] = [key.slice(0, at), key.slice(at + 1)];
  return tenant === 'default' ? { user } : { user, tenant };
}
