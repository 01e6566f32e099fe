import { Inject, Injectable } from '@nestjs/common';
import { Queue } from 'bullmq';

import type { BerthConfig } from '#config';
import { closeRedis, CONFIG, connectRedis, logConnection, LOGGER, type Logger } from '#service-kit';
import { QUEUE_PREFIX } from '#session-core';

export const EXPIRY_QUEUE = 'expiry';

/** `sweep`: go over all shards. `due`: a session of this shard is due. */
export type ExpiryJobName = 'sweep' | 'due';
export interface ExpiryJobData {
  /** Key of the shard of a `due` job. */
  shard?: string;
}

/** Of the repeating job: one for the whole fleet. */
const SWEEP_SCHEDULER = 'sweep';

/** Sessions that are due close together are ended together; a delayed job is not more precise than this anyway. */
const MIN_DELAY_MS = 100;

const FORGET_WHEN_DONE = { removeOnComplete: true, removeOnFail: true } as const;

/**
 * The jobs of the reaper: one repeating sweep, and at most one delayed job for each shard (and, while that one is being worked
 * on, its successor).
 *
 * All calls return at once and are carried out when the connection lets them: nothing depends on a job, a lost one is made
 * again by the next sweep.
 */
@Injectable()
export class ExpiryQueue {
  readonly connection: ReturnType<typeof connectRedis>;
  private readonly queue: Queue<ExpiryJobData, void, ExpiryJobName>;
  private readonly unanswered = new Set<string>();
  private readonly intervalMs: number;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const log = logConnection(logger, 'queue', config.redis);
    this.connection = connectRedis(config.redis, { purpose: 'queue', onError: log });
    this.connection.on('ready', () => log.recovered());
    this.intervalMs = config.reaper.sweepIntervalMs;
    this.queue = new Queue(EXPIRY_QUEUE, {
      connection: this.connection,
      prefix: QUEUE_PREFIX,
      defaultJobOptions: FORGET_WHEN_DONE,
      streams: { events: { maxLen: 100 } },
    });
    this.queue.on('error', () => {}); // the connection's own log has it
  }

  /** Schedules the repeating sweep, at the interval that this process was configured with. */
  scheduleSweep(): void {
    this.send('sweep', () => this.upsertSweep());
  }

  /** Schedules the repeating sweep again if it has vanished, or stands still by this process's clock. */
  repairSweep(): void {
    this.send('sweep', async () => {
      const scheduler = await this.queue.getJobScheduler(SWEEP_SCHEDULER);
      const { next = -Infinity, every = this.intervalMs } = scheduler ?? {};
      if (Math.abs(next - Date.now()) <= 2 * every) return;
      await this.queue.removeJobScheduler(SWEEP_SCHEDULER);
      await this.upsertSweep();
    });
  }

  /**
   * Puts the shard's delayed job to the moment in `delayMs`, wherever it stands now; also from inside that job, where it
   * becomes the next one.
   */
  arm(shard: string, delayMs: number): void {
    this.send(shard, async () => {
      const delay = Math.max(delayMs, MIN_DELAY_MS);
      const deduplication = { id: shard, reschedule: true, keepLastIfActive: true };
      await this.queue.add('due', { shard }, { delay, deduplication });
    });
  }

  async close(): Promise<void> {
    await this.queue.close();
    await closeRedis(this.connection);
  }

  private async upsertSweep(): Promise<void> {
    const template = { name: 'sweep', data: {}, opts: FORGET_WHEN_DONE } as const;
    await this.queue.upsertJobScheduler(SWEEP_SCHEDULER, { every: this.intervalMs }, template);
  }

  /** One call of a kind at a time: behind a connection that has stopped answering they would pile up. */
  private send(kind: string, call: () => Promise<void>): void {
    if (this.unanswered.has(kind)) return;
    this.unanswered.add(kind);
    call()
      .catch((error: unknown) => this.logger.debug({ kind, err: error }, 'Expiry job not scheduled'))
      .finally(() => this.unanswered.delete(kind));
  }
}
