import { setTimeout as elapsed } from 'node:timers/promises';

import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';

import { StoreUnavailableError, TenantsStore, type StoreClient } from '#session-core';

import type { BerthConfig, TenantConfig } from '../config/berth.config.js';
import { ReadinessChecks, type CheckResult } from '../health/readiness.js';
import type { Logger } from '../logging/logger.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import { ShardsMismatchError } from './shards-mismatch.error.js';

const RETRY_MS = 500;
/** So soon a registration is written again that Redis has lost with everything else. */
const AGAIN_MS = 10_000;
/** No caller waits for it, only the start. */
const DEADLINE_MS = 2_000;

/**
 * Opens the tenants of the configuration before anything works on them. Where one was created with another number of shards, the start
 * fails; if that is found out later, because Redis was away, `refused` tells.
 *
 * Each process opens them again every ten seconds: who has lost everything in Redis has this back soon, and nobody stops for it.
 */
@Injectable()
export class TenantRegistryService implements OnModuleInit, OnModuleDestroy {
  /** Resolves when a tenant is found after the start not to be what the configuration says; the process has to end then. */
  readonly refused: Promise<ShardsMismatchError>;
  private refuse!: (error: ShardsMismatchError) => void;
  private readonly store: TenantsStore;
  private readonly unopened: Map<string, TenantConfig>;
  private readonly stopping = new AbortController();
  private opening: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) private readonly config: BerthConfig,
    @Inject(REDIS) client: StoreClient,
    readiness: ReadinessChecks,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.refused = new Promise((resolve) => (this.refuse = resolve));
    this.store = new TenantsStore({ client, deadlineMs: DEADLINE_MS });
    this.unopened = new Map(Object.entries(config.tenants));
    readiness.add({ name: 'tenants', run: () => Promise.resolve(this.readiness()) });
  }

  async onModuleInit(): Promise<void> {
    await this.openAll();
    this.opening = this.openUntilStopped();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.opening;
  }

  isOpen(tenant: string): boolean {
    return !this.unopened.has(tenant);
  }

  /** Throws StoreUnavailableError while nobody could ask whether the tenant is what the configuration says. */
  assertOpen(tenant: string): void {
    if (this.isOpen(tenant)) return;
    throw new StoreUnavailableError(`Tenant ${tenant} is not opened yet`, { nothingDone: true });
  }

  private readiness(): CheckResult {
    if (this.unopened.size === 0) return { status: 'ok' };
    return { status: 'failed', message: 'Redis was not asked for all tenants yet', tenants: [...this.unopened.keys()] };
  }

  private async openUntilStopped(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await elapsed(this.unopened.size > 0 ? RETRY_MS : AGAIN_MS, undefined, { signal }).catch(() => {});
      try {
        if (!signal.aborted) await this.openAll();
      } catch (error) {
        this.refuse(error as ShardsMismatchError);
        return;
      }
    }
  }

  /** Throws ShardsMismatchError alone. */
  private async openAll(): Promise<void> {
    await Promise.all(Object.values(this.config.tenants).map((tenant) => this.open(tenant)));
  }

  private async open(tenant: TenantConfig): Promise<void> {
    const { name, shards } = tenant;
    const opened = await this.store.open(tenant).catch((error: unknown) => {
      this.logger.debug({ tenant: name, err: error }, 'Tenant not opened; it will be tried again');
      return null;
    });
    if (opened === null) return;
    if (opened.kind === 'mismatch') throw new ShardsMismatchError(name, opened, shards);
    if (opened.kind === 'created') this.logger.info({ tenant: name, shards }, 'Tenant created');
    this.unopened.delete(name);
  }
}
