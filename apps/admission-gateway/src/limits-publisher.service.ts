import { hostname } from 'node:os';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import {
  CONFIG,
  LOGGER,
  ReadinessChecks,
  TenantRegistryService,
  type BerthConfig,
  type CheckResult,
  type Logger,
} from '#service-kit';
import { effectiveLimits, limitProblems } from '#session-core';
import type { TenantBooks } from '#session-wire';

import { TenantsRepository } from './tenants.repository.js';

const RETRY_MS = 500;
const MOST_NAMED = 20;

/**
 * Puts the limits of the configuration file into force, for every tenant, before this gateway is ready.
 *
 * While Redis is away it tries again until it has worked. From then on the store publishes them itself should Redis lose them.
 */
@Injectable()
export class LimitsPublisherService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly unpublished: Set<TenantBooks>;
  private readonly impossible = new Set<string>();
  private readonly publisher: string;
  private readonly stopping = new AbortController();
  private publishing: Promise<void> = Promise.resolve();
  private first: Promise<void> | undefined;

  constructor(
    private readonly tenants: TenantsRepository,
    private readonly registry: TenantRegistryService,
    readiness: ReadinessChecks,
    @Inject(CONFIG) config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.unpublished = new Set(tenants.all);
    this.publisher = `admission-gateway ${hostname()}:${config.gatewayPort}`;
    readiness.add({ name: 'limits', run: () => this.readiness() });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.publishFirst();
    this.publishing = this.publishUntilDone();
  }

  /** Resolves when it was tried once for every tenant. */
  async publishFirst(): Promise<void> {
    await (this.first ??= this.publishAll());
  }

  isPublished(tenant: TenantBooks): boolean {
    return !this.unpublished.has(tenant);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.publishing;
  }

  private readiness(): CheckResult {
    if (this.unpublished.size === 0 && this.impossible.size === 0) return { status: 'ok' };
    if (this.unpublished.size === 0) {
      const message = 'At start, limits of the file and of the API could not hold together; the log says which';
      return { status: 'degraded', message, tenants: [...this.impossible] };
    }
    const names = [...this.unpublished].map(({ ref }) => ref.name);
    const status = this.unpublished.size === this.tenants.all.length ? 'failed' : 'degraded';
    return { status, message: 'The limits of the file are not published yet', tenants: names };
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
      this.registry.assertOpen(ref.name);
      const { replaced } = await store.limits.publishFile(ref, config.limits, this.publisher);
      await this.examine(tenant);
      this.unpublished.delete(tenant);
      if (replaced !== null) this.warnAboutOther(ref.name, replaced);
    } catch (error) {
      this.logger.debug({ tenant: ref.name, err: error }, 'Limits of the file not published yet');
    }
  }

  /** The file may be as fine as what the API has said, and both together impossible: a group within itself, a reserve above a lowered limit. */
  private async examine({ ref, store }: TenantBooks): Promise<void> {
    const problems = limitProblems(effectiveLimits(await store.limits.read(ref)), ref.shards);
    if (problems.length === 0) return;
    this.impossible.add(ref.name);
    this.logger.error(
      { tenant: ref.name, problems: problems.slice(0, MOST_NAMED) },
      'The limits of the file cannot hold together with those set through limits-admin; change either',
    );
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
