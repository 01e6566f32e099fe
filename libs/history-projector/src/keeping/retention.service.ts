import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { pause } from '#basics';
import type { HistoryConfig } from '#config';
import { Clock, type EndsFirst, LOGGER, type Logger } from '#service-kit';

import { History } from '../history.service.js';
import { removeOld } from './remove-old.js';
import { RetentionMetrics } from './retention.metrics.js';

const LOOK_MS = 500;
/** A process that has just begun to write has more urgent things to catch up with. */
const FIRST_MS = 3_000;
const RETRY_MS = 60_000;
const PROGRESS_MS = 10_000;

/**
 * Removes what is older than `history.retention_days`, while this process writes history: some seconds after it began to, then every
 * `history.cleanup_interval_hours`. What is old is judged by the clock of Redis, which dated the rows: a clock of this machine that is wrong
 * removes nothing. What could not be done is tried again a minute later.
 */
@Injectable()
export class Retention implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private hasFailed = false;

  constructor(
    private readonly history: History,
    private readonly clock: Clock,
    private readonly metrics: RetentionMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    if (this.history.settings !== null) this.running = this.run(this.history.settings);
  }

  /** Waits for the batch at hand, no longer. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Looks now and then, since a timer cannot wait for as long as a year. */
  private async run(settings: HistoryConfig): Promise<void> {
    const { signal } = this.stopping;
    let dueAt: number | null = null;
    while (!signal.aborted) {
      if (this.history.writer !== 'here') dueAt = null;
      else if ((dueAt ??= performance.now() + FIRST_MS) <= performance.now()) {
        const isDone = await this.clean(settings.retentionMs);
        dueAt =
          performance.now() + (isDone ? settings.cleanupIntervalMs : Math.min(RETRY_MS, settings.cleanupIntervalMs));
      }
      await pause(LOOK_MS, signal);
    }
  }

  /** Whether all is gone that is to go. */
  private async clean(retentionMs: number): Promise<boolean> {
    const began = performance.now();
    let removed = 0;
    const facts = () => ({ rows: removed, seconds: Number(((performance.now() - began) / 1_000).toFixed(1)) });
    try {
      const cutoffMs = (await this.clock.nowMs()) - retentionMs;
      const { done } = await removeOld(this.history.database, {
        cutoffMs,
        signal: this.stopping.signal,
        progressMs: PROGRESS_MS,
        onProgress: (rows) => {
          removed += rows;
          this.metrics.removed(rows);
          if (performance.now() - began > PROGRESS_MS) this.logger.info(facts(), 'Removing old history');
          return this.history.writer === 'here';
        },
      });
      this.hasFailed = false;
      if (!done) return false;
      this.metrics.done();
      this.logger.info({ ...facts(), before: new Date(cutoffMs).toISOString() }, 'Old history removed');
      return true;
    } catch (error) {
      const message = 'Old history not removed; it is tried again';
      this.logger[this.hasFailed ? 'debug' : 'error']({ err: error, ...facts() }, message);
      this.hasFailed = true;
      return false;
    }
  }
}
