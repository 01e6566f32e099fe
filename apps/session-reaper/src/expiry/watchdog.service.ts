import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, type EndsFirst } from '#service-kit';

import { ExpiryQueue } from './expiry.queue.js';
import { UPKEEP_INTERVAL_MS } from './shard-sweep.service.js';
import { SweepService } from './sweep.service.js';

/** Intervals without a pass in this process before it makes one by itself. */
const PATIENCE = 3;

/**
 * Sweeps when the queue brings this process no sweep for three intervals: because another replica gets them, or because the
 * queue is stuck. It cannot tell which and need not: a sweep too many costs little, one too few keeps places taken.
 *
 * Between sweeps that are rarer than once a second it looks after the shards, so that nothing but the sweep itself depends on their interval:
 * each session ends in its moment all the same.
 *
 * It needs neither the queue nor anybody's clock, so lateness stays bounded whatever becomes of them.
 */
@Injectable()
export class WatchdogService implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private readonly intervalMs: number;
  private timer: NodeJS.Timeout | undefined;
  private upkeepTimer: NodeJS.Timeout | undefined;
  private lastPass: Promise<void> = Promise.resolve();
  private lastUpkeep: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    private readonly queue: ExpiryQueue,
    private readonly sweeps: SweepService,
  ) {
    this.intervalMs = config.reaper.sweepIntervalMs;
  }

  onApplicationBootstrap(): void {
    this.queue.scheduleSweep();
    this.timer = setInterval(() => this.look(), this.intervalMs);
    this.upkeepTimer = setInterval(() => this.lookAfter(), UPKEEP_INTERVAL_MS);
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.timer);
    clearInterval(this.upkeepTimer);
    this.sweeps.stop();
    await Promise.all([this.lastPass, this.lastUpkeep]);
  }

  /** A pass does all this too. */
  private lookAfter(): void {
    if (this.sweeps.sinceLastPassMs < UPKEEP_INTERVAL_MS) return;
    this.lastUpkeep = this.sweeps.lookAfter();
  }

  private look(): void {
    if (this.sweeps.sinceLastPassMs < PATIENCE * this.intervalMs) return;
    this.queue.repairSweep();
    this.lastPass = this.sweeps.pass('timer');
  }
}
