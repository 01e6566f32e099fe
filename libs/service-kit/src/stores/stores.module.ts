import { Global, Module, type DynamicModule } from '@nestjs/common';

import type { BerthConfig } from '#config';
import { CommandsStore, LimitsStore, NodesStore, SessionStore, SnapshotsStore, type StoreClient } from '#session-core';

import { StoreHealth } from '../health/store-health.service.js';
import type { Logger } from '../logging/logger.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import { openStores, type Stores } from './stores.js';

export interface StoresModuleOptions {
  deadlineMs: (config: BerthConfig) => number;
  /** Whether how decisions fare counts for the health of this process. */
  observed: boolean;
}

const STORES = Symbol('stores');

const storeOf = <K extends keyof Stores>(provide: unknown, name: K) => ({
  provide: provide as symbol,
  inject: [STORES],
  useFactory: (stores: Stores) => stores[name],
});

/** The one place where an app opens the books of its tenants. */
@Global()
@Module({})
export class StoresModule {
  static of({ deadlineMs, observed }: StoresModuleOptions): DynamicModule {
    return {
      module: StoresModule,
      providers: [
        {
          provide: STORES,
          inject: [CONFIG, REDIS, LOGGER, StoreHealth],
          useFactory: (config: BerthConfig, client: StoreClient, logger: Logger, health: StoreHealth) =>
            openStores(config, client, logger, {
              deadlineMs: deadlineMs(config),
              observer: observed ? health : undefined,
            }),
        },
        storeOf(SessionStore, 'sessions'),
        storeOf(NodesStore, 'nodes'),
        storeOf(SnapshotsStore, 'snapshots'),
        storeOf(CommandsStore, 'commands'),
        { provide: LimitsStore, inject: [SessionStore], useFactory: (store: SessionStore) => store.limits },
      ],
      exports: [SessionStore, NodesStore, SnapshotsStore, CommandsStore, LimitsStore],
    };
  }
}
