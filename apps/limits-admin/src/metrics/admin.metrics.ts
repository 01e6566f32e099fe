import { Inject, Injectable } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CONFIG, Metrics } from '#service-kit';
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
    const read = () => this.read();
    metrics.gauge({
      name: 'active_sessions_total',
      help: 'Live sessions of all tenants.',
      async collect() {
        const sum = sumOf((await read()).map(({ total }) => total));
        if (sum === null) this.remove();
        else this.set(sum);
      },
    });
    metrics.gauge({
      name: 'berth_sessions_active',
      help: 'Live sessions of a tenant.',
      labelNames: ['tenant'],
      async collect() {
        const all = await read();
        this.reset();
        for (const { tenant, total } of all) if (total !== null) this.set({ tenant }, total);
      },
    });
    metrics.gauge({
      name: 'berth_nodes',
      help: 'Nodes of a tenant by state: those that beat, that are lost and not forgotten, of which an older run still speaks, and that drain.',
      labelNames: ['tenant', 'state'],
      async collect() {
        const all = await read();
        this.reset();
        for (const { tenant, nodes: byState } of all) {
          for (const [state, count] of Object.entries(byState ?? {})) this.set({ tenant, state }, count);
        }
      },
    });
    metrics.gauge({
      name: 'berth_fuses_tripped',
      help: 'Fuses of a tenant that have tripped and hold something back.',
      labelNames: ['tenant'],
      async collect() {
        const all = await read();
        this.reset();
        for (const { tenant, fuses } of all) if (fuses !== null) this.set({ tenant }, fuses);
      },
    });
    metrics.gauge({
      name: 'berth_drift_sessions',
      help: 'Where indices and records did not agree, as the last audit of all shards found and mended it.',
      async collect() {
        const sum = sumOf((await read()).map(({ drift }) => drift));
        if (sum === null) this.remove();
        else this.set(sum);
      },
    });
    metrics.gauge({
      name: 'active_sessions_per_user',
      help: 'Live sessions of the users with the most, metrics.top_users of them. Users of other tenants than default carry its name.',
      labelNames: ['username', 'tenant'],
      async collect() {
        const all = await read();
        this.reset();
        for (const { tenant, top } of all) {
          const label = tenant === 'default' ? {} : { tenant };
          for (const { user, activeSessions } of top ?? []) this.set({ username: user, ...label }, activeSessions);
        }
      },
    });
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
