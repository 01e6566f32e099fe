import { setTimeout as elapsed } from 'node:timers/promises';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Worker } from 'bullmq';

import type { BerthConfig } from '#config';
import { CONFIG, LOGGER, type EndsFirst, type Logger } from '#service-kit';
import { QUEUE_PREFIX } from '#session-core';

import { EXPIRY_QUEUE, ExpiryQueue, type ExpiryJobData, type ExpiryJobName } from './expiry.queue.js';
import { allShards } from '../shards.js';
import { SweepService } from './sweep.service.js';

/** A job whose process died is given to another one after this long; until then the sweeps do its work. */
const LOCK_MS = 5_000;
const STALLED_CHECK_MS = 2_500;
const RETRY_MS = 1_000;
/** A worker that waits for an answer of Redis may wait for ever; nothing is lost by not waiting with it. */
const CLOSE_WAIT_MS = 3_000;

type ExpiryWorker = Worker<ExpiryJobData, void, ExpiryJobName>;

/** Works on the jobs of the expiry queue. */
@Injectable()
export class ExpiryProcessor implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private worker: ExpiryWorker | undefined;
  private resting: NodeJS.Timeout | undefined;
  private failing = false;

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly queue: ExpiryQueue,
    private readonly sweeps: SweepService,
  ) {}

  onApplicationBootstrap(): void {
    this.worker = new Worker<ExpiryJobData, void, ExpiryJobName>(
      EXPIRY_QUEUE,
      async ({ name, data }) => {
        if (name === 'sweep') await this.sweeps.pass('queue');
        else if (data.shard !== undefined) await this.sweeps.shard(data.shard);
      },
      {
        connection: this.queue.connection,
        prefix: QUEUE_PREFIX,
        // A place for each shard's job, for a sweep and for the next one: none waits behind a backlog.
        concurrency: allShards(this.config).size + 2,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_CHECK_MS,
        runRetryDelay: RETRY_MS,
        drainDelay: RETRY_MS / 1_000,
      },
    );
    this.worker.on('error', (error) => this.rest(error));
    this.worker.on('completed', () => this.reportRecovery());
  }

  /** Stops fetching, waits for the jobs in hand, then closes queue and connection. */
  async onModuleDestroy(): Promise<void> {
    this.sweeps.stop();
    const { worker } = this;
    this.worker = undefined;
    clearTimeout(this.resting);
    if (worker !== undefined) {
      const closed = worker.close(!(await isConnected(worker)));
      await Promise.race([closed, elapsed(CLOSE_WAIT_MS, undefined, { ref: false })]);
    }
    await this.queue.close();
  }

  /**
   * BullMQ asks again at once when Redis refuses a script, as it does when its memory is full: 13,000 times a second, measured.
   * So the worker rests for a while after each error.
   */
  private rest(error: Error): void {
    if (this.worker === undefined) return;
    if (!this.failing) this.logger.error({ err: error }, 'Expiry queue out of order; sweeping by the own timer');
    this.failing = true;
    if (this.worker.isPaused()) return;
    void this.worker.pause(true);
    this.resting = setTimeout(() => void this.worker?.resume(), RETRY_MS);
  }

  private reportRecovery(): void {
    if (this.failing) this.logger.info('Expiry queue works again');
    this.failing = false;
  }
}

/** Whether both connections of a worker work now. A polite close waits for ever for one that is being made anew. */
async function isConnected({ backend }: ExpiryWorker): Promise<boolean> {
  const notYet = Promise.resolve(undefined);
  const clients = await Promise.all(
    [backend.client, backend.blockingClient].map((client) => Promise.race([client, notYet])),
  );
  return clients.every((client) => client?.status === 'ready');
}
