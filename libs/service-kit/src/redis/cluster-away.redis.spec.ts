import { describe, expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { SessionStore, StoreUnavailableError } from '#session-core';

import { closeRedis } from './redis-lifecycle.js';
import { connectRedis } from './connect-redis.js';

describe('a Redis Cluster that is away', () => {
  it('is store-unavailable to the store from the first call on', async () => {
    const config = loadConfig({ env: { BERTH_REDIS_URL: 'redis+cluster://127.0.0.1:1' }, cwd: '/' });
    const redis = connectRedis(config.redis, { purpose: 'decisions', onError: () => undefined });
    const store = new SessionStore({ client: redis, deadlineMs: 250, tombstoneMs: 60_000 });
    try {
      for (let call = 0; call < 20; call++) {
        const asked = store.get({ name: 'default', shards: 1 }, { sessionId: 'call-1' });
        await expect(asked).rejects.toBeInstanceOf(StoreUnavailableError);
      }
    } finally {
      await closeRedis(redis);
    }
  });
});
