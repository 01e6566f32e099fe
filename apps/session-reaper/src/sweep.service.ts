import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, type BerthConfig } from '#service-kit';
import { SessionStore, type TenantRef } from '#session-core';

import { ReaperReportService } from './reaper-report.service.js';
import type { PassTrigger } from './reaper.metrics.js';
import { ShardSweepService } from './shard-sweep.service.js';
import { allShards, type ShardRef } from './shards.js';

/** So many shards are swept side by side: the backlog of one must not hold up the others. */
const LANES = 8;

/** Sweeps the shards of the configuration. Any number of sweeps at once is right. */
@Injectable()
export class SweepService {
  private readonly shards: ReadonlyMap<string, ShardRef>;
  private readonly tenants: TenantRef[];
  private lastPassAtMs = -Infinity;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    private readonly store: SessionStore,
    private readonly shardSweeps: ShardSweepService,
    private readonly report: ReaperReportService,
  ) {
    this.shards = allShards(config);
    this.tenants = Object.values(config.tenants);
  }

  /** Time since this process last swept all shards without a failure, by its monotonic clock. */
  get sinceLastPassMs(): number {
    return performance.now() - this.lastPassAtMs;
  }

  /** Sweeps every shard and repairs the limits of every tenant. Never rejects. */
  async pass(trigger: PassTrigger): Promise<void> {
    const startedAtMs = performance.now();
    const tasks = [
      ...Array.from(this.shards.values(), (ref) => () => this.shardSweeps.sweep(ref)),
      ...this.tenants.map((tenant) => () => this.repairLimits(tenant)),
    ];
    const succeeded = await this.inLanes(tasks);
    if (!succeeded) return;
    this.lastPassAtMs = performance.now();
    this.report.passDone(trigger, this.lastPassAtMs - startedAtMs);
  }

  /** Sweeps one shard; one that this process does not know is left to those that do. Never rejects. */
  async shard(key: string): Promise<void> {
    const ref = this.shards.get(key);
    if (ref !== undefined) await this.inLanes([() => this.shardSweeps.sweep(ref)]);
  }

  /** Lets the sweeps in hand come to an end soon, and new ones do nothing. */
  stop(): void {
    this.shardSweeps.stop();
  }

  /** Gives the document to shards that a crash left behind. One that is missing is for the gateways, who know their file. */
  private async repairLimits(tenant: TenantRef): Promise<void> {
    const { version } = await this.store.limits.read(tenant);
    if (version > 0) await this.store.limits.publish(tenant);
  }

  private async inLanes(tasks: (() => Promise<void>)[]): Promise<boolean> {
    const waiting = tasks.values();
    let succeeded = true;
    const lane = async () => {
      for (const task of waiting) {
        try {
          await task();
        } catch (error) {
          succeeded = false;
          this.report.sweepFailed(error);
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    return succeeded;
  }
}
