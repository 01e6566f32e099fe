import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { LOGGER, type EndsFirst, type Logger } from '#service-kit';
import { shardNumbers } from '#session-core';

import { CommandsMetrics } from './commands.metrics.js';
import { TenantCommands } from './tenant-commands.js';

/** Commands live for a day: a few minutes more do not matter. */
const INTERVAL_MS = 300_000;

/** Gives up commands that were not acknowledged for a day. Any number of replicas: each command is given up once. */
@Injectable()
export class GiveUpService implements OnApplicationBootstrap, OnModuleDestroy, EndsFirst {
  readonly endsFirst = true;
  private timer: NodeJS.Timeout | undefined;
  private passing: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly tenants: TenantCommands,
    private readonly metrics: CommandsMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.start();
    this.timer = setInterval(() => this.start(), INTERVAL_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    await this.passing;
  }

  private start(): void {
    this.passing ??= this.pass()
      .catch((error: unknown) =>
        this.logger.debug({ err: error }, 'Old commands not looked for; it will be tried again'),
      )
      .finally(() => {
        this.passing = undefined;
      });
  }

  private async pass(): Promise<void> {
    for (const { tenant, store } of this.tenants.all) {
      for (const shard of shardNumbers(tenant)) {
        for (const { node } of await store.commandedSince(tenant, shard, 0)) {
          if (this.stopping) return;
          const count = await store.giveUpOld(tenant, shard, node);
          if (count > 0) this.report(tenant.name, node, count);
        }
      }
    }
  }

  private report(tenant: string, node: string, count: number): void {
    this.metrics.givenUp(count);
    this.logger.warn({ tenant, node, count }, 'Commands given up: their node has not acknowledged them for a day');
  }
}
