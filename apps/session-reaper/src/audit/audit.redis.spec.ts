import { afterEach, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { loadConfig, type BerthConfig } from '#config';
import { createApp, createLogger } from '#service-kit';
import { auditKeys, shardKeys } from '#session-core';
import { describeWith, eventually, type RedisServer } from '#testing';

import { TestBooks, onTestBooks } from '../books.fixture.js';
import { AppModule } from '../app.module.js';

const KEYS = shardKeys({ name: 'default', shards: 1 }, 0);
const AGREED =
  'Indices and records did not agree, and were mended: keys of Redis were evicted, deleted or written by others';

describeWith(['redis-server'], 'the audit of the reapers', () => {
  let redis: RedisServer;
  let client: Redis;
  let books: TestBooks;
  let config: BerthConfig;
  const closing: (() => Promise<void>)[] = [];

  onTestBooks((suite) => {
    ({ books, client, redis } = suite);
    config = loadConfig({ env: { BERTH_REDIS_URL: redis.url }, cwd: '/' });
  });

  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function startReaper() {
    const log: { message: string; [field: string]: unknown }[] = [];
    const logger = createLogger(config, 'session-reaper', { write: (line) => log.push(JSON.parse(line) as never) });
    const app = await createApp(AppModule, { config, logger });
    const close = async () => await app.close();
    closing.push(close);
    return {
      log,
      close: async () => (closing.splice(closing.indexOf(close), 1), await close()),
      metrics: async () => (await app.inject('/metrics')).payload,
    };
  }

  it('ends a session whose record is gone, which nothing ever makes due, and says so in log and metrics', async () => {
    for (const id of ['gone', 'lives']) await books.admit(id, {});
    await client.del(KEYS.session('gone'));
    const reaper = await startReaper();
    await eventually(async () =>
      expect(await books.ended()).toMatchObject([{ sessionId: 'gone', user: 'alice', reason: 'reconciled' }]),
    );
    await eventually(() =>
      expect(reaper.log).toContainEqual(expect.objectContaining({ message: AGREED, tenant: 'default', ended: 1 })),
    );
    expect(await reaper.metrics()).toContain('berth_sessions_ended_total{reason="reconciled"} 1');
    expect(await client.zrange(KEYS.userSessions('alice'), '0', '-1')).toEqual(['lives']);
  });

  it('is done by one of several, goes on in another when that one stops, and from its place', async () => {
    const reapers = [await startReaper(), await startReaper()];
    await eventually(async () => expect(await client.hget(KEYS.audit, 'finished')).not.toBeNull());
    const holder = await client.get(auditKeys.lease);
    expect(holder).not.toBeNull();
    for (const id of ['a', 'b']) await books.admit(id, {});
    await client.del(KEYS.session('a'));
    await eventually(async () => {
      await client.hdel(KEYS.audit, 'finished');
      expect(await books.ended()).toHaveLength(1);
    });
    await reapers[0]?.close();
    await client.del(KEYS.session('b'));
    // The pass that is under way may have been past `b`: the one after it begins without its rest.
    await eventually(async () => {
      await client.hdel(KEYS.audit, 'finished');
      expect(await books.ended()).toHaveLength(2);
    });
    await reapers[1]?.close();
    expect(await client.get(auditKeys.lease)).toBeNull();
  }, 120_000);

  it('ends nothing while Redis may not be read, says so once, and works again afterwards', async () => {
    for (const id of ['a', 'b']) await books.admit(id, {});
    await client.del(KEYS.session('a'));
    await client.call('ACL', 'SETUSER', 'default', '-mget');
    try {
      const reaper = await startReaper();
      const failures = () => reaper.log.filter(({ message }) => message.startsWith('Audit failed'));
      await eventually(() => expect(failures()).toHaveLength(1));
      expect(await books.ended()).toEqual([]);
      await client.call('ACL', 'SETUSER', 'default', '+mget');
      await eventually(() => expect(reaper.log.map(({ message }) => message)).toContain('The audit works again'));
      expect(failures()).toHaveLength(1);
      expect(await books.ended()).toHaveLength(1);
    } finally {
      await client.call('ACL', 'SETUSER', 'default', '+@all');
    }
  });
});
