import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, Metrics, type Sample } from '#service-kit';
import { Audits, Books, NodesStore, type NodeCounts, type UserCount } from '#session-core';

import { Tenants } from '../tenants.service.js';

/** Null is what cannot be read: the store is away, or a key of the tenant has a foreign type. */
interface TenantSessions {
  tenant: string;
  total: number | null;
  top: UserCount[] | null;
  nodes: NodeCounts | null;
  fuses: number | null;
  drift: number | null;
}

/**
 * The gauges about the fleet, read from the books at each scrape; every replica says the same. What cannot be read is absent
 * from that scrape, tenant by tenant: no number is better than a wrong one.
 */
@Injectable()
export class AdminMetrics {
  private reading: Promise<TenantSessions[]> | null = null;

  constructor(
    private readonly metrics: Metrics,
    private readonly books: Books,
    private readonly nodes: NodesStore,
    private readonly audits: Audits,
    private readonly tenants: Tenants,
    @Inject(CONFIG) private readonly config: BerthConfig,
  ) {
    const sum = (part: (of: TenantSessions) => number | null) => async () => sumOf((await this.read()).map(part));
    const each =
      <L extends string>(samplesOf: (of: TenantSessions) => Sample<L>[]) =>
      async () =>
        (await this.read()).flatMap(samplesOf);

    metrics.gauge(
      'active_sessions_total',
      'Live sessions of all tenants.',
      sum(({ total }) => total),
    );
    metrics.gauges(
      'berth_sessions_active',
      'Live sessions of a tenant.',
      ['tenant'],
      each(({ tenant, total }) => (total === null ? [] : [[{ tenant }, total]])),
    );
    metrics.gauges(
      'berth_nodes',
      'Nodes of a tenant by state: those that beat, that are lost and not forgotten, of which an older run still speaks, and that drain.',
      ['tenant', 'state'],
      each(({ tenant, nodes: counts }) => Object.entries(counts ?? {}).map(([state, n]) => [{ tenant, state }, n])),
    );
    metrics.gauges(
      'berth_fuses_tripped',
      'Fuses of a tenant that have tripped and hold something back.',
      ['tenant'],
      each(({ tenant, fuses }) => (fuses === null ? [] : [[{ tenant }, fuses]])),
    );
    metrics.gauge(
      'berth_drift_sessions',
      'Where indices and records did not agree, as the last audit of all shards found and mended it.',
      sum(({ drift }) => drift),
    );
    metrics.gauges(
      'active_sessions_per_user',
      'Live sessions of the users with the most, metrics.top_users of them. Users of other tenants than default carry its name.',
      ['username', 'tenant'],
      each(({ tenant, top }) => {
        const label = tenant === 'default' ? {} : { tenant };
        return (top ?? []).map(({ user, activeSessions }) => [{ username: user, ...label }, activeSessions]);
      }),
    );
  }

  /** One reading for all gauges of a scrape, and for scrapes at the same moment. */
  private async read(): Promise<TenantSessions[]> {
    this.reading ??= this.readBooks().finally(() => {
      this.reading = null;
    });
    return await this.reading;
  }

  private async readBooks(): Promise<TenantSessions[]> {
    const { topUsers } = this.config.metrics;
    return await Promise.all(
      this.tenants.all().map(async (tenant) => {
        const { name } = tenant;
        const [total, top, nodes, fuses, drift] = await Promise.all([
          this.orNull('berth_sessions_active', name, this.books.total(tenant)),
          this.orNull('active_sessions_per_user', name, this.books.topUsers(tenant, topUsers)),
          this.orNull('berth_nodes', name, this.nodes.counts(tenant)),
          this.orNull('berth_fuses_tripped', name, this.nodes.fuses(tenant)),
          this.orNull('berth_drift_sessions', name, this.audits.drift(tenant)),
        ]);
        return { tenant: name, total, top, nodes, fuses: fuses === null ? null : fuses.length, drift };
      }),
    );
  }

  private async orNull<T>(metric: string, tenant: string, reading: Promise<T>): Promise<T | null> {
    try {
      return await reading;
    } catch (error) {
      this.metrics.unreadable(metric, error, tenant);
      return null;
    }
  }
}

/** Null where one is not known: the sum of some tenants would look like a fleet that has shrunk. */
function sumOf(numbers: readonly (number | null)[]): number | null {
  return numbers.reduce<number | null>((sum, number) => (sum === null || number === null ? null : sum + number), 0);
}
