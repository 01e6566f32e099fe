import { Injectable } from '@nestjs/common';

import { Metrics } from '#service-kit';
import { CommandsStore } from '#session-core';

import { Tenants } from '../tenants.service.js';

/** What the nodes of the fleet must still do, read from the books at each scrape; absent while it cannot be read. */
@Injectable()
export class CommandsMetrics {
  constructor(metrics: Metrics, tenants: Tenants, store: CommandsStore) {
    metrics.gauge(
      'berth_commands_unacknowledged',
      'Sessions that Berth has ended and whose nodes have not acknowledged the command to hang up, of all tenants.',
      async () => {
        const counts = await Promise.all(tenants.all().map(async (tenant) => await store.count(tenant)));
        return counts.reduce((sum, count) => sum + count, 0);
      },
    );
  }
}
