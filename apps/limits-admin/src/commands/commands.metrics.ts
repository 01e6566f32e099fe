import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, Metrics, REDIS, type BerthConfig } from '#service-kit';
import { CommandsStore, type StoreClient } from '#session-core';

import { Tenants } from '../tenants.service.js';

/** What the nodes of the fleet must still do, read from the books at each scrape; absent while it cannot be read. */
@Injectable()
export class CommandsMetrics {
  constructor(
    metrics: Metrics,
    tenants: Tenants,
    @Inject(CONFIG) { store: { decisionDeadlineMs: deadlineMs } }: BerthConfig,
    @Inject(REDIS) client: StoreClient,
  ) {
    const stores = tenants.all().map((tenant) => {
      const store = new CommandsStore({ client, deadlineMs, tombstoneMs: tenant.tombstoneMs });
      return async () => await store.count(tenant);
    });
    metrics.gauge({
      name: 'berth_commands_unacknowledged',
      help: 'Sessions that Berth has ended and whose nodes have not said that they are hung up, of all tenants.',
      async collect() {
        const counts = await Promise.all(stores.map((count) => count()));
        this.set(counts.reduce((sum, count) => sum + count, 0));
      },
    });
  }
}
