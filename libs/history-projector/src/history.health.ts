import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { groupBehindMs } from '#event-streams';
import { CONFIG, Metrics, ReadinessChecks, REDIS, type CheckResult } from '#service-kit';
import { historyKeys, OUTBOX_BOUNDS, outboxOf, type OutboxStream, type StoreClient } from '#session-core';

import { History } from './history.service.js';

/** A projector that works is seconds behind; after a minute somebody should look. */
const BEHIND_MS = 60_000;
/** As the reaper's alarm: well before anything is lost. */
const FULL_SHARE = 0.8;

/** Whether history is kept, and how far it is behind. Never `failed`: admissions do not wait for it. */
@Injectable()
export class HistoryHealth {
  private readonly streams: readonly OutboxStream[];

  constructor(
    @Inject(CONFIG) { tenants, history: settings }: BerthConfig,
    @Inject(REDIS) private readonly client: StoreClient,
    private readonly history: History,
    metrics: Metrics,
    readiness: ReadinessChecks,
  ) {
    this.streams = Object.values(tenants).flatMap(outboxOf);
    if (settings === null) return;
    readiness.watch({ name: 'history', run: () => this.check() });
    metrics.gauge('berth_history_behind_seconds', 'The age of the oldest event that is not in history.', async () => {
      const ms = await this.behindMs();
      return ms === null ? null : ms / 1_000;
    });
    metrics.gauge(
      'berth_outbox_fill_ratio',
      'How full the fullest stream of the outbox is; at 1 the oldest events are lost.',
      () => this.fill(),
    );
  }

  private async check(): Promise<CheckResult> {
    const { trouble, writer, lackingSinceMs } = this.history;
    const [behindMs, share] = await Promise.all([this.behindMs(), this.fill()]);
    const facts = { writer, behind_seconds: behindMs === null ? null : Math.round(behindMs / 1_000) };
    const warnings: string[] = [];
    if (trouble !== null) warnings.push(`The database cannot serve (${trouble.reason}); events wait in Redis`);
    if (lackingSinceMs !== null) {
      const since = new Date(lackingSinceMs).toISOString();
      warnings.push(
        `At ${since} the database was found damaged, removed or replaced: what it lacks is marked as a gap. Restore a backup, or restart this process to accept it`,
      );
    }
    if (behindMs !== null && behindMs > BEHIND_MS) {
      warnings.push(`History is ${Math.round(behindMs / 1_000)} s behind`);
    }
    if (share !== null && share >= FULL_SHARE) {
      warnings.push(`The outbox is ${Math.round(100 * share)} % full; at 100 % the oldest events are lost`);
    }
    return warnings.length === 0 ? { status: 'ok', ...facts } : { status: 'degraded', warnings, ...facts };
  }

  /** Null while Redis does not say. */
  private async fill(): Promise<number | null> {
    const share = async ({ stream, kind }: OutboxStream) =>
      (await this.client.xlen(stream)) / OUTBOX_BOUNDS.read[kind].maxLength;
    try {
      return Math.max(...(await Promise.all(this.streams.map(share))));
    } catch {
      return null;
    }
  }

  /** Null while Redis does not say. */
  private async behindMs(): Promise<number | null> {
    const names = this.streams.map(({ stream }) => stream);
    try {
      return await groupBehindMs(this.client, names, historyKeys.group);
    } catch {
      return null;
    }
  }
}
