import { expect, it } from '@jest/globals';

import { loadConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { SessionStore, shardKeys } from '#session-core';
import { describeWith, eventually, onRedis, type RedisServer } from '#testing';

import { TestBooks } from '../books.fixture.js';
import { AppModule } from '../app.module.js';

const tenant = { name: 'default', shards: 3 };
/** Each lives in another one of three shards. */
const [FROM, TO] = ['erin', 'mallory'];
const [OLD, NEW] = [shardKeys(tenant, 0), shardKeys(tenant, 1)];

describeWith(['redis-server'], 'the reaper and handovers that nobody has finished', () => {
  let redis: RedisServer;

  onRedis((on) => ({ redis } = on));

  async function startReaper() {
    const loaded = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
    const tenants = { default: { ...loaded.tenants.default, shards: 3 } };
    const config = { ...loaded, tenants, reaper: { sweepIntervalMs: 100 } };
    const logger = createLogger(config, 'session-reaper', { write: () => undefined });
    return await createApp(AppModule, { config, logger });
  }

  /** A process whose connection breaks after a number of scripts. */
  function dyingStore(scripts: number): SessionStore {
    const client = redis.client();
    const original = client.callBuffer.bind(client);
    let sent = 0;
    client.callBuffer = (async (command: string, list: (string | number | Buffer)[]) => {
      if (command === 'EVALSHA' && sent++ >= scripts)
        throw Object.assign(new Error('connect ECONNRESET'), { code: 'ECONNRESET' });
      return await original(command, list);
    }) as typeof client.callBuffer;
    return new SessionStore({ client, deadlineMs: 60_000, tombstoneMs: 60_000 });
  }

  it('brings them to their end once the lease is over, with two replicas and each only once', async () => {
    const client = redis.client();
    const books = await new TestBooks(client, tenant).open();
    for (const id of ['offered', 'claimed']) await books.admit(id, { user: FROM });
    const target = { node: 'b2bua-2', epoch: 1, user: TO };
    // With the user as a hint it is found without asking the shards: the first script is the offer, the second the claim.
    for (const [id, scripts] of [
      ['offered', 1],
      ['claimed', 2],
    ] as const) {
      const { transfers } = dyingStore(scripts);
      const dying = transfers.transfer(tenant, { sessionId: id, user: FROM }, target);
      await expect(dying).rejects.toMatchObject({ code: 'store-unavailable' });
    }
    expect([await client.zcard(OLD.deadlines), await client.zcard(NEW.deadlines)]).toEqual([2, 1]);
    await client.zadd(OLD.offersDue, 0, 'offered', 0, 'claimed'); // as if the lease were over

    const replicas = await Promise.all([startReaper(), startReaper()]);
    try {
      await eventually(async () => expect(await client.exists(OLD.offers, OLD.offersDue, OLD.deadlines)).toBe(0));
      expect((await client.zrange(NEW.deadlines, '0', '-1')).toSorted()).toEqual(['claimed', 'offered']);
      const events = (await client.xrange(NEW.events, '-', '+')).filter(([, fields]) =>
        fields.includes('session.transferred'),
      );
      expect(events).toHaveLength(2);
    } finally {
      await Promise.all(replicas.map((app) => app.close()));
    }
  });
});
