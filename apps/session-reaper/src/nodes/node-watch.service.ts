import { setImmediate as commandsWritten } from 'node:timers/promises';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, TenantRegistryService, watchIntervalMs, type EndsFirst } from '#service-kit';
import { NodesStore } from '#session-core';

import { InboxLagService } from '../inbox/inbox-lag.service.js';
import { ReaperReportService } from '../report/reaper-report.service.js';
import { allShards, type ShardRef } from '../shards.js';

/** Sessions in one script call. No command has to be written for them: half a millisecond of Redis. */
const BATCH = 25;

/**
 * Looks which nodes have fallen silent, and ends what departed runs of nodes held; by a timer of its own, because a lease is shorter than
 * a sweep's interval may be. Any number of processes may do so at once.
 */
@Injectable()
export class NodeWatchService implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private stopping = false;

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    private readonly nodes: NodesStore,
    private readonly inbox: InboxLagService,
    private readonly report: ReaperReportService,
    private readonly registry: TenantRegistryService,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.looking ??= this.look().finally(() => (this.looking = null));
    }, watchIntervalMs(this.config));
  }

  /** A drain ends with the batch that it is at; the next process goes on. */
  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.looking;
  }

  /** What fails for one tenant or shard does not keep the others from their turn. Never rejects. */
  private async look(): Promise<void> {
    const watched = await Promise.allSettled(Object.values(this.config.tenants).map((tenant) => this.watch(tenant)));
    const drained = await Promise.allSettled([...allShards(this.config).values()].map((shard) => this.drain(shard)));
    const failed = [...watched, ...drained].find((outcome) => outcome.status === 'rejected');
    this.report.nodesWatched(failed?.reason);
  }

  private async watch(tenant: { name: string; shards: number }): Promise<void> {
    this.registry.assertOpen(tenant.name);
    const { losing, fuse, silent, live } = await this.nodes.watch(tenant, await this.inbox.behindMs());
    for (const { node, epoch } of losing) this.report.nodeLost(tenant.name, node, epoch);
    if (fuse === 'just-tripped') this.report.nodesFuseTripped(tenant.name, silent, live);
  }

  /**
   * Decodes and reports a batch while Redis works on the next: 50,000 sessions of a node must be over within seconds, and one after the
   * other took 5.3 s where this takes 3.
   */
  private async drain({ tenant, shard }: ShardRef): Promise<void> {
    this.registry.assertOpen(tenant.name);
    const next = () => (this.stopping ? null : this.nodes.drain(tenant, shard, BATCH));
    for (let pending = next(); pending !== null;) {
      const { ended, runsLeft } = await pending;
      pending = runsLeft > 0 ? next() : null;
      await commandsWritten();
      for (const session of ended) this.report.sessionEnded(session);
    }
  }
}
