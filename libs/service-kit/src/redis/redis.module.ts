import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Cluster, Redis } from 'ioredis';

import type { BerthConfig } from '#config';

import type { Logger } from '../logging/logger.js';
import { CONFIG, LOGGER, REDIS } from '../tokens.js';
import { connectRedis } from './connect-redis.js';
import { closeRedis, whenReady } from './redis-lifecycle.js';
import { logConnection } from './connection-log.js';

/** How long a start waits for Redis. After that it goes on: the process is up, not ready, and answers `store-unavailable`. */
const START_WAIT_MS = 2_000;

/** The process's connection for decisions, under the token `REDIS`; closed after everything else has stopped. */
@Global()
@Module({
  providers: [
    {
      provide: REDIS,
      inject: [CONFIG, LOGGER],
      useFactory: async (config: BerthConfig, logger: Logger) => {
        const onError = logConnection(logger, 'decisions', config.redis);
        const redis = connectRedis(config.redis, { purpose: 'decisions', onError });
        redis.on('ready', () => onError.recovered());
        await whenReady(redis, START_WAIT_MS);
        return redis;
      },
    },
  ],
  exports: [REDIS],
})
export class RedisModule implements OnApplicationShutdown {
  constructor(@Inject(REDIS) private readonly redis: Redis | Cluster) {}

  async onApplicationShutdown(): Promise<void> {
    await closeRedis(this.redis);
  }
}
