import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';

import { pause } from '#basics';
import type { BerthConfig, TenantConfig } from '#config';
import {
  identityText,
  isSameIdentity,
  StoreUnavailableError,
  TenantClosedError,
  TenantsStore,
  type StoreClient,
  type TenantOpening,
} from '#session-core';

import { ReadinessChecks, type CheckResult } from '../health/readiness.js';
import type { Logger } from '../logging/logger.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import {
  BooksFormatError,
  IdentityMismatchError,
  RekeyMismatchError,
  ShardsMismatchError,
  type TenantRefusedError,
} from './tenant-refused.errors.js';

const RETRY_MS = 500;
/** So soon a change of the registration is noticed, and one written again that Redis has lost with everything else. One small script a tenant. */
const AGAIN_MS = 1_000;
/** No caller waits for it, only the start. */
const DEADLINE_MS = 2_000;

const NOT_ASKED = 'Redis was not asked yet';

/**
 * Opens the tenants of the configuration before anything works on them. Where one was created with another number of shards, has other
 * identity rules, or books in a format that this release does not know, the start fails; if that is found out later, because Redis was away,
 * `refused` tells.
 *
 * Each process opens them again every second. A tenant whose rules or format change under it is closed: nothing is read or written for it, and
 * the process is not ready, until what is registered is again what the process knows. A registration that Redis has lost is written again.
 */
@Injectable()
export class TenantRegistryService implements OnModuleInit, OnModuleDestroy {
  /** Resolves when a tenant is found after the start not to be what the configuration says; the process has to end then. */
  readonly refused: Promise<TenantRefusedError>;
  private refuse!: (error: TenantRefusedError) => void;
  private readonly store: TenantsStore;
  /** By name, those that nothing is done for, and why. */
  private readonly closed: Map<string, string>;
  /** Those that were open at some time: a change under this process closes them, and does not end it. */
  private readonly served = new Set<string>();
  /** Why those that were not asked about yet could not be, for people. */
  private readonly causes = new Map<string, string>();
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
    this.closed = new Map(Object.keys(config.tenants).map((name) => [name, NOT_ASKED]));
    readiness.add({ name: 'tenants', run: () => this.readiness() });
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
    return !this.closed.has(tenant);
  }

  /** Throws StoreUnavailableError while the tenant is not known to be what the configuration says, with the reason. */
  assertOpen(tenant: string): void {
    const reason = this.closed.get(tenant);
    if (reason === undefined) return;
    if (reason !== NOT_ASKED) throw new TenantClosedError(reason);
    const cause = this.causes.get(tenant) ?? NOT_ASKED;
    throw new StoreUnavailableError(`Tenant ${tenant} is not opened yet: ${cause}`, { nothingDone: true });
  }

  /** `failed` while none is open; while others are served, the process is. */
  private readiness(): CheckResult {
    if (this.closed.size === 0) return { status: 'ok' };
    const isNoneOpen = this.closed.size === Object.keys(this.config.tenants).length;
    const reasons = [...this.closed].map(([name, reason]) =>
      reason === NOT_ASKED ? (this.causes.get(name) ?? reason) : reason,
    );
    const message = [...new Set(reasons)].join('; ');
    return { status: isNoneOpen ? 'failed' : 'degraded', message, tenants: [...this.closed.keys()] };
  }

  private async openUntilStopped(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(this.closed.size > 0 ? RETRY_MS : AGAIN_MS, signal);
      try {
        if (!signal.aborted) await this.openAll();
      } catch (error) {
        this.refuse(error as TenantRefusedError);
        return;
      }
    }
  }

  /** Throws TenantRefusedError alone. */
  private async openAll(): Promise<void> {
    await Promise.all(Object.values(this.config.tenants).map((tenant) => this.open(tenant)));
  }

  private async open(tenant: TenantConfig): Promise<void> {
    const { name, shards } = tenant;
    const opened = await this.store.open(tenant).catch((error: unknown) => {
      this.notOpened(name, error);
      return null;
    });
    if (opened === null) return;
    const refusal = refusalOf(tenant, opened);
    if (refusal !== null && (refusal instanceof ShardsMismatchError || !this.served.has(name))) throw refusal;
    const reason = rekeyingReason(name, opened) ?? refusal?.message ?? null;
    if (reason !== null) {
      this.close(name, reason);
      return;
    }
    if (opened.kind === 'created') this.logger.info({ tenant: name, shards }, 'Tenant created');
    if (this.closed.delete(name) && this.served.has(name)) this.logger.info({ tenant: name }, 'Tenant open again');
    this.served.add(name);
  }

  private close(tenant: string, reason: string): void {
    if (this.closed.get(tenant) === reason) return;
    this.closed.set(tenant, reason);
    this.logger.error({ tenant, reason }, 'Tenant closed: nothing is done for it');
  }

  /** One line for each cause; of a tenant that was open once, its shards say more. */
  private notOpened(tenant: string, error: unknown): void {
    const cause = error instanceof StoreUnavailableError ? error.message : 'an error that the log has';
    const isNews = !this.served.has(tenant) && this.causes.get(tenant) !== cause;
    this.causes.set(tenant, cause);
    this.logger[isNews ? 'warn' : 'debug']({ tenant, cause, err: error }, 'Tenant not opened; it will be tried again');
  }
}

/** Why this process is not the one for the tenant; null if it is, now or once a change of the rules is done. */
function refusalOf({ name, shards, identity }: TenantConfig, opened: TenantOpening): TenantRefusedError | null {
  switch (opened.kind) {
    case 'mismatch':
      return new ShardsMismatchError(name, opened, shards);
    case 'identity':
      return new IdentityMismatchError(name, opened.registered, identity);
    case 'rekeying':
      return isSameIdentity(opened.target, identity) ? null : new RekeyMismatchError(name, opened.target, identity);
    case 'format':
      return new BooksFormatError(name, opened.format);
    default:
      return null;
  }
}

function rekeyingReason(tenant: string, opened: TenantOpening): string | null {
  if (opened.kind !== 'rekeying') return null;
  const [from, to] = [identityText(opened.registered), identityText(opened.target)];
  return (
    `The identity rules of tenant ${tenant} are being changed from ${from} to ${to} (npm run tenant -- rekey ${tenant}); ` +
    'try again when that is done'
  );
}
