import { hostname } from 'node:os';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { CONFIG, LOGGER, ReadinessChecks, type BerthConfig, type CheckResult, type Logger } from '#service-kit';
import type { TenantBooks } from '#session-wire';

import { TenantsRepository } from './tenants.repository.js';

const RETRY_MS = 500;

/**
 * Puts the limits of the configuration file into force, for every tenant, before this gateway is ready.
 *
 * While Redis is away it tries again until it has worked. From then on the store publishes them itself should Redis lose them.
 */
@Injectable()
export class LimitsPublisherService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly unpublished: Set<TenantBooks>;
  private readonly publisher: string;
  private readonly stopping = new AbortController();
  private publishing: Promise<void> = Promise.resolve();

  constructor(
    tenants: TenantsRepository,
    readiness: ReadinessChecks,
    @Inject(CONFIG) config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.unpublished = new Set(tenants.all);
    this.publisher = `admission-gateway ${hostname()}:${config.gatewayPort}`;
    readiness.add({ name: 'limits', run: () => Promise.resolve(this.readiness()) });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.publishAll();
    this.publishing = this.publishUntilDone();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.publishing;
  }

  private readiness(): CheckResult {
    if (this.unpublished.size === 0) return { status: 'ok' };
    const names = [...this.unpublished].map(({ ref }) => ref.name);
    return { status: 'failed', message: 'The limits of the file are not published yet', tenants: names };
  }

  private async publishUntilDone(): Promise<void> {
    while (this.unpublished.size > 0 && !this.stopping.signal.aborted) {
      await pause(RETRY_MS, this.stopping.signal);
      await this.publishAll();
    }
  }

  private async publishAll(): Promise<void> {
    await Promise.all([...this.unpublished].map((tenant) => this.publish(tenant)));
  }

  private async publish(tenant: TenantBooks): Promise<void> {
    const { ref, config, store } = tenant;
    try {
      const { replaced } = await store.limits.publishFile(ref, config.limits, this.publisher);
      this.unpublished.delete(tenant);
      if (replaced !== null) this.warnAboutOther(ref.name, replaced);
    } catch (error) {
      this.logger.debug({ tenant: ref.name, err: error }, 'Limits of the file not published yet');
    }
  }

  private warnAboutOther(tenant: string, replaced: string): void {
    this.logger.warn(
      { tenant, publisher: this.publisher, replaced },
      'The limits of this file replaced different ones of another process; give all processes the same file',
    );
  }
}

/** Ends early, without an error, when aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
