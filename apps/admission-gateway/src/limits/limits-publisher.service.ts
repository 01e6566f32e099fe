import { hostname } from 'node:os';

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';

import { pause } from '#basics';
import type { BerthConfig } from '#config';
import {
  CONFIG,
  ConfigReload,
  LOGGER,
  ReadinessChecks,
  TenantRegistryService,
  type CheckResult,
  type Logger,
  type TenantBooks,
} from '#service-kit';
import { effectiveLimits, limitProblems, type LimitsLayer } from '#session-core';

import { TenantsRepository } from '../tenants/tenants.repository.js';

const RETRY_MS = 500;
const MAX_NAMED = 20;

/**
 * Puts the limits of the configuration file into force, for every tenant, before this gateway is ready, and again when the file says others.
 *
 * While Redis is away it tries again until it has worked. From then on the store publishes them itself should Redis lose them.
 */
@Injectable()
export class LimitsPublisherService implements OnApplicationBootstrap, OnModuleDestroy {
  /** Never published by this process; it is not ready for them. */
  private readonly unpublished: Set<TenantBooks>;
  /** What is published. */
  private readonly published = new Map<TenantBooks, LimitsLayer>();
  private readonly impossible = new Set<string>();
  private readonly publisher: string;
  private readonly stopping = new AbortController();
  private publishing: Promise<void> = Promise.resolve();
  private first: Promise<void> | undefined;

  constructor(
    private readonly tenants: TenantsRepository,
    private readonly registry: TenantRegistryService,
    readiness: ReadinessChecks,
    reload: ConfigReload,
    @Inject(CONFIG) config: BerthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.unpublished = new Set(tenants.all);
    reload.onApplied(() => {
      this.publishing = this.publishing.then(async () => await this.publishChanged());
    });
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
      const message =
        'When they were published, limits of the file and of the API could not hold together; the log says which';
      return { status: 'degraded', message, tenants: [...this.impossible] };
    }
    const names = [...this.unpublished].map(({ ref }) => ref.name);
    const status = this.unpublished.size === this.tenants.all.length ? 'failed' : 'degraded';
    return { status, message: 'The limits of the file are not published yet', tenants: names };
  }

  private async publishChanged(): Promise<void> {
    await this.publishAll();
    await this.publishUntilDone();
  }

  private async publishUntilDone(): Promise<void> {
    while (this.outdated.length > 0 && !this.stopping.signal.aborted) {
      await pause(RETRY_MS, this.stopping.signal);
      await this.publishAll();
    }
  }

  /** Those whose file says other limits than this process has published. */
  private get outdated(): TenantBooks[] {
    return this.tenants.all.filter((tenant) => this.published.get(tenant) !== tenant.config.limits);
  }

  private async publishAll(): Promise<void> {
    if (!this.stopping.signal.aborted) await Promise.all(this.outdated.map((tenant) => this.publish(tenant)));
  }

  private async publish(tenant: TenantBooks): Promise<void> {
    const { ref, config, store } = tenant;
    const { limits } = config;
    try {
      this.registry.assertOpen(ref.name);
      const { replaced } = await store.limits.publishFile(ref, limits, this.publisher, this.published.get(tenant));
      await this.examine(tenant);
      this.unpublished.delete(tenant);
      this.published.set(tenant, limits);
      if (replaced !== null) this.warnAboutOther(ref.name, replaced);
    } catch (error) {
      this.logger.debug({ tenant: ref.name, err: error }, 'Limits of the file not published yet');
    }
  }

  /** The file may be as fine as what was set by the API, and both together impossible: a group within itself, a reserve above a lowered limit. */
  private async examine({ ref, store }: TenantBooks): Promise<void> {
    const problems = limitProblems(effectiveLimits(await store.limits.read(ref)), ref.shards);
    this.impossible.delete(ref.name);
    if (problems.length === 0) return;
    this.impossible.add(ref.name);
    this.logger.error(
      { tenant: ref.name, problems: problems.slice(0, MAX_NAMED) },
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
