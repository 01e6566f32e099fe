import { Inject, Injectable } from '@nestjs/common';
import pMap from 'p-map';

import type { BerthConfig } from '#config';
import { CONFIG, TenantRegistryService } from '#service-kit';
import { SessionStore, type TenantRef } from '#session-core';

import { ReaperReportService } from '../report/reaper-report.service.js';
import type { PassTrigger } from '../report/reaper.metrics.js';
import { ShardSweepService } from './shard-sweep.service.js';
import { allShards, type ShardRef } from '../shards.js';

/** Shards that are swept side by side: the backlog of one must not hold up the others. */
const MAX_SHARDS_AT_ONCE = 8;

/** Entries of each kind in one call: half a millisecond of Redis at most. */
const UPKEEP_BATCH = 200;

/** Sweeps the shards of the configuration. Any number of sweeps at once is right. */
@Injectable()
export class SweepService {
  private readonly shards: ReadonlyMap<string, ShardRef>;
  private readonly tenants: TenantRef[];
  private lastPassAtMs = -Infinity;
  private lookingAfter = false;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    private readonly store: SessionStore,
    private readonly shardSweeps: ShardSweepService,
    private readonly report: ReaperReportService,
    private readonly registry: TenantRegistryService,
  ) {
    this.shards = allShards(config);
    this.tenants = Object.values(config.tenants);
  }

  /** Time since this process last swept all shards without a failure, by its monotonic clock. */
  get sinceLastPassMs(): number {
    return performance.now() - this.lastPassAtMs;
  }

  /** Sweeps every shard, sees to its upkeep, and repairs the limits of every tenant. Never rejects. */
  async pass(trigger: PassTrigger): Promise<void> {
    const startedAtMs = performance.now();
    const tasks = [
      ...Array.from(this.shards.values(), (ref) => () => this.sweep(ref)),
      ...Array.from(this.shards.values(), (ref) => () => this.upkeep(ref)),
      ...this.tenants.map((tenant) => () => this.repairLimits(tenant)),
    ];
    const succeeded = await this.allOf(tasks);
    if (!succeeded) return;
    this.lastPassAtMs = performance.now();
    this.report.passDone(trigger, this.lastPassAtMs - startedAtMs);
  }

  /**
   * What must not wait for the next pass, where passes are rare: sees to the upkeep of every shard and to the job that ends what is due next
   * there, finishes handovers, and repairs the limits of every tenant. Returns at once while it is at it already. Never rejects.
   */
  async lookAfter(): Promise<void> {
    if (this.lookingAfter) return;
    this.lookingAfter = true;
    const succeeded = await this.allOf([
      ...Array.from(this.shards.values(), (ref) => () => this.upkeep(ref)),
      ...Array.from(this.shards.values(), (ref) => () => this.repairHandovers(ref)),
      ...this.tenants.map((tenant) => () => this.repairLimits(tenant)),
    ]);
    this.lookingAfter = false;
    if (succeeded) this.report.shardsReached();
  }

  /** Sweeps one shard; one that this process does not know is left to those that do. Never rejects. */
  async shard(key: string): Promise<void> {
    const ref = this.shards.get(key);
    if (ref !== undefined) await this.allOf([() => this.sweep(ref)]);
  }

  /** Lets the sweeps in hand come to an end soon, and new ones do nothing. */
  stop(): void {
    this.shardSweeps.stop();
  }

  private async sweep(ref: ShardRef): Promise<void> {
    this.registry.assertOpen(ref.tenant.name);
    await this.shardSweeps.sweep(ref);
  }

  private async upkeep(ref: ShardRef): Promise<void> {
    const { tenant, shard } = ref;
    this.registry.assertOpen(tenant.name);
    const { creationAlert, created, threshold, ...due } = await this.store.upkeep(tenant, shard, UPKEEP_BATCH);
    if (creationAlert !== null) this.report.creationAlert(creationAlert, { tenant: tenant.name, created, threshold });
    await this.shardSweeps.prepare(ref, due);
  }

  private async repairHandovers(ref: ShardRef): Promise<void> {
    this.registry.assertOpen(ref.tenant.name);
    await this.shardSweeps.repairHandovers(ref);
  }

  /** Gives the document to shards that a crash left behind. One that is missing is for the gateways, who know their file. */
  private async repairLimits(tenant: TenantRef): Promise<void> {
    this.registry.assertOpen(tenant.name);
    await this.store.limits.repair(tenant);
  }

  /** Whether all succeeded. One that fails is reported, and keeps no other from its turn. */
  private async allOf(tasks: (() => Promise<void>)[]): Promise<boolean> {
    const run = async (task: () => Promise<void>) => {
      try {
        await task();
        return true;
      } catch (error) {
        this.report.sweepFailed(error);
        return false;
      }
    };
    const succeeded = await pMap(tasks, run, { concurrency: MAX_SHARDS_AT_ONCE });
    return succeeded.every(Boolean);
  }
}
