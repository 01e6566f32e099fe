import { afterEach, expect, it } from '@jest/globals';

import { startRedisCluster, type RedisCluster } from './redis-cluster.js';
import { migrateSlot } from './slot-migration.js';
import { describeWith } from './tools.js';

describeWith(['redis-server'], 'startRedisCluster', () => {
  let cluster: RedisCluster | undefined;

  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
  });

  it('serves every slot at once, and moves one between masters', async () => {
    cluster = await startRedisCluster();
    const client = cluster.client();
    await Promise.all(Array.from({ length: 300 }, (_, index) => client.set(`key:${index}`, index)));
    await Promise.all(Array.from({ length: 5 }, (_, index) => client.set(`{tag}:${index}`, index)));

    const slot = await cluster.slotOf('{tag}:0');
    const from = await cluster.masterOf(slot);
    const to = cluster.nodes.find((node) => node !== from);
    if (to === undefined) throw new Error('a second master was expected');
    const migration = await migrateSlot(cluster, slot, to);
    expect(await migration.moveKeys(2)).toBe(2);
    expect(await from.redis.cluster('COUNTKEYSINSLOT', slot)).toBe(3);
    await migration.finish();

    expect(await cluster.masterOf(slot)).toBe(to);
    expect(await client.get('{tag}:4')).toBe('4');
  });

  it('puts a replica in the place of a killed master', async () => {
    cluster = await startRedisCluster({ masters: 3, replicas: 1 });
    const client = cluster.client();
    const slot = await cluster.slotOf('k');
    await client.set('k', 'v');
    await client.wait(1, 5_000);
    const killed = await cluster.failover(slot);
    expect(await cluster.masterOf(slot)).not.toBe(killed);
    await client.set('k', 'w');
    expect(await client.get('k')).toBe('w');
  });
});
