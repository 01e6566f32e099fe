import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { Pulses, type StoreClient, type TenantRef } from '#session-core';

import type { Logger } from '../logging/logger.js';
import type { TenantRegistryService } from '../tenants/tenant-registry.service.js';
import { pulseTimes } from './pulse-times.js';

export interface PulseOptions {
  /** Whether beats of nodes arrive here: a time without any such process lets no node be lost. */
  takesBeats: boolean;
}

/**
 * Notes about once a second that the shards of every tenant are up. When no process did so for a third of a lease, or the clock of Redis
 * jumped, nothing that is due by silence ends for a whole lease.
 */
export class PulseService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly pulses: Pulses;
  private readonly tenants: TenantRef[];
  private readonly intervalMs: number;
  private readonly unanswered = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: BerthConfig,
    client: StoreClient,
    private readonly logger: Logger,
    private readonly registry: TenantRegistryService,
    private readonly options: PulseOptions,
  ) {
    const { intervalMs, staleAfterMs } = pulseTimes(config);
    this.intervalMs = intervalMs;
    this.pulses = new Pulses({ client, graceMs: config.nodes.leaseMs, staleAfterMs });
    this.tenants = Object.values(config.tenants);
  }

  onApplicationBootstrap(): void {
    this.beat();
    this.timer = setInterval(() => this.beat(), this.intervalMs);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private beat(): void {
    for (const tenant of this.tenants) {
      if (!this.registry.isOpen(tenant.name)) continue;
      this.say(`shards of ${tenant.name}`, () => this.pulses.beat(tenant));
      if (this.options.takesBeats) this.say(`beats of ${tenant.name}`, () => this.pulses.open(tenant));
    }
  }

  /** One call of a kind at a time: behind a connection that has stopped answering they would pile up. */
  private say(what: string, call: () => Promise<number>): void {
    if (this.unanswered.has(what)) return;
    this.unanswered.add(what);
    call()
      .then((gapMs) => {
        if (gapMs === 0) return;
        const { leaseMs: graceMs } = this.config.nodes;
        this.logger.warn(
          { what, gap_ms: gapMs, grace_ms: graceMs },
          'Nothing was seen for a while; silence ends nothing now',
        );
      })
      .catch((error: unknown) => this.logger.debug({ what, err: error }, 'Pulse not felt'))
      .finally(() => this.unanswered.delete(what));
  }
}
