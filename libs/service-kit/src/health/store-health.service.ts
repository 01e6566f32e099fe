import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import type { BerthConfig } from '#config';
import {
  Probes,
  shardNumbers,
  StoreUnavailableError,
  type DecisionObserver,
  type StoreClient,
  type TenantRef,
} from '#session-core';

import type { Logger } from '../logging/logger.js';
import { pulseTimes } from '../pulse/pulse-times.js';
import { TenantRegistryService } from '../tenants/tenant-registry.service.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import { ReadinessChecks } from './readiness.js';
import { ShardLog } from './shard-log.js';
import { shardName, ShardStates } from './shard-states.js';

/**
 * Knows which shards can be decided: about once a second it tries each as an admission would (`probe.lua`), and it hears of the decisions of
 * this process. Readiness and log show both.
 */
@Injectable()
export class StoreHealth implements OnApplicationBootstrap, OnModuleDestroy, DecisionObserver {
  readonly probes: Probes;
  private readonly states: ShardStates;
  private readonly log: ShardLog;
  private readonly tenants: TenantRef[];
  private readonly intervalMs: number;
  private readonly underWay = new Map<string, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) config: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly registry: TenantRegistryService,
    readiness: ReadinessChecks,
  ) {
    this.tenants = Object.values(config.tenants);
    this.intervalMs = pulseTimes(config).intervalMs;
    this.probes = new Probes({ client, deadlineMs: config.store.decisionDeadlineMs });
    this.states = new ShardStates(this.tenants.reduce((sum, { shards }) => sum + shards, 0));
    this.log = new ShardLog(logger);
    readiness.add({ name: 'redis', run: () => this.states.result(performance.now()) });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.probeAll();
    this.timer = setInterval(() => void this.probeAll(), this.intervalMs);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
    this.log.stop();
  }

  decided(tenant: string, shard: number): void {
    if (this.states.allWell) return;
    const change = this.states.decided(tenant, shard, performance.now());
    if (change.kind === 'ended') this.log.working(shardName(tenant, shard), change.afterMs);
  }

  failed(tenant: string, shard: number, { message: cause, fault: code }: StoreUnavailableError): void {
    const change = this.states.failed({ tenant, shard, cause, code }, performance.now());
    if (change.kind === 'began') this.log.failing(shardName(tenant, shard), cause);
  }

  private async probeAll(): Promise<void> {
    const open = this.tenants.filter(({ name }) => this.registry.isOpen(name));
    await Promise.all(open.flatMap((tenant) => shardNumbers(tenant).map((shard) => this.probe(tenant, shard))));
  }

  /** One call of a shard at a time: behind a connection that has stopped answering they would pile up. */
  private async probe(tenant: TenantRef, shard: number): Promise<void> {
    const name = shardName(tenant.name, shard);
    const probing = this.underWay.get(name) ?? this.ask(tenant, shard).finally(() => this.underWay.delete(name));
    this.underWay.set(name, probing);
    await probing;
  }

  private async ask(tenant: TenantRef, shard: number): Promise<void> {
    try {
      await this.probes.probe(tenant, shard);
      this.decided(tenant.name, shard);
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.failed(tenant.name, shard, error);
      else this.logger.error({ tenant: tenant.name, shard, err: error }, 'Shard cannot be probed');
    }
  }
}
