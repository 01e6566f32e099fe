import { Inject, Injectable } from '@nestjs/common';

import { CONFIG, REDIS, type BerthConfig } from '#service-kit';
import { CommandsStore, type StoreClient, type TenantRef } from '#session-core';

/** The tenants of the configuration, each with what its nodes must still do. */
@Injectable()
export class TenantCommands {
  readonly all: readonly { tenant: TenantRef; store: CommandsStore }[];

  constructor(@Inject(CONFIG) { redis: { deadlineMs }, tenants }: BerthConfig, @Inject(REDIS) client: StoreClient) {
    this.all = Object.values(tenants).map(({ name, shards, tombstoneMs }) => ({
      tenant: { name, shards },
      store: new CommandsStore({ client, deadlineMs, tombstoneMs }),
    }));
  }
}
