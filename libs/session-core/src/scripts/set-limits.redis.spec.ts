import { describe, expect, it, jest } from '@jest/globals';
import { effectiveLimits } from '../model/limits-document.js';
import { keys, request, useBooks, tenant } from '../../test/fixture.js';
import { shardKeys } from '../keys.js';
import { LimitsStore } from '../limits-store.js';
import { setLimits } from './set-limits.script.js';

describe('limits', () => {
  const books = useBooks();

  it('lets the API win over the file, the file over the defaults, key by key', async () => {
    const { limits } = books.store;
    await limits.publishFile(
      tenant,
      { maxSessionsPerUser: 3, action: 'terminate_oldest', users: { bob: 2 } },
      'gateway-1',
    );
    await limits.change(tenant, (api) => ({ ...api, maxSessionsPerUser: 9, users: { alice: 1 } }));
    expect(effectiveLimits(await limits.read(tenant))).toMatchObject({
      version: 2,
      enabled: true,
      maxSessionsPerUser: 9,
      action: 'terminate_oldest',
      users: { bob: 2, alice: 1 },
    });
  });

  it('is in force in the shard when the change returns, and names its version in the next decision', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    const first = (await books.store.admit(tenant, request('call-1'))).decision;
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2 }));
    const second = (await books.store.admit(tenant, request('call-2'))).decision;
    expect([first, second]).toMatchObject([
      { policyVersion: 1, limits: [{ max: 1 }] },
      { policyVersion: 2, limits: [{ max: 2 }] },
    ]);
  });

  it('loses no change when many are made at once from several processes', async () => {
    const connections = [books.server.client(), books.server.client()];
    const stores = [books.store.limits, ...connections.map((client) => new LimitsStore(client, 5_000))];
    await Promise.all(
      stores.flatMap((store, process) =>
        [1, 2, 3, 4, 5].map((i) =>
          store.change(tenant, (api) => ({ ...api, users: { ...api.users, [`user-${process}-${i}`]: i } })),
        ),
      ),
    );
    const { users } = effectiveLimits(await books.store.limits.read(tenant));
    expect(Object.keys(users)).toHaveLength(15);
    expect(await books.redis.hget(keys.limits, 'version')).toBe('15');
  });

  it('never lets an older version replace a newer one in a shard', async () => {
    const context = { client: books.redis, tenant: tenant.name, shards: 1, shard: 0 };
    const limits = effectiveLimits({ version: 5, file: {}, api: {} });
    expect(await setLimits(context, limits)).toBe('adopted');
    expect(await setLimits(context, { ...limits, version: 4, maxSessionsPerUser: 1 })).toBe('kept');
    expect(await books.redis.hget(keys.limits, 'user')).toBe('5');
    expect((await books.redis.keys('*limits_next*')).length).toBe(0);
  });

  it('copies thousands of overrides, and removes those that are gone', async () => {
    const many = Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`user-${i}`, i]));
    await books.store.limits.change(tenant, () => ({ users: many }));
    expect(await books.redis.hlen(keys.limits)).toBe(2_507);
    await books.store.limits.change(tenant, () => ({}));
    expect(await books.redis.hlen(keys.limits)).toBe(7);
    expect(await books.redis.ttl(keys.limits)).toBe(-1);
  });

  it('repairs a shard that a crash left behind', async () => {
    const sharded = { name: 'acme', shards: 3 };
    await books.store.limits.change(sharded, () => ({ maxSessionsPerUser: 7 }));
    await books.redis.del(shardKeys(sharded, 2).limits);
    await books.store.limits.publish(sharded);
    const versions = [0, 1, 2].map((shard) => books.redis.hget(shardKeys(sharded, shard).limits, 'version'));
    expect(await Promise.all(versions)).toEqual(['1', '1', '1']);
  });

  it('goes on from the larger version when a failover forgot the last write of the document', async () => {
    await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 1 }));
    await books.redis.hset(keys.limits, 'version', 9);
    const document = await books.store.limits.change(tenant, () => ({ maxSessionsPerUser: 2 }));
    expect(document.version).toBe(10);
    expect(await books.redis.hget(keys.limits, 'user')).toBe('2');
  });

  it('tells whose file it replaced, and publishes nothing when the file is the same', async () => {
    const { limits } = books.store;
    expect(await limits.publishFile(tenant, { maxSessionsPerUser: 3 }, 'gateway-1')).toEqual({ replaced: null });
    expect(await limits.publishFile(tenant, { maxSessionsPerUser: 3 }, 'gateway-2')).toEqual({ replaced: null });
    expect((await limits.read(tenant)).version).toBe(1);
    expect(await limits.publishFile(tenant, { maxSessionsPerUser: 4 }, 'gateway-2')).toEqual({ replaced: 'gateway-1' });
  });

  it('tells of nobody where a changed file replaces the one that its publisher had published as well', async () => {
    const { limits } = books.store;
    const [before, changed] = [{ maxSessionsPerUser: 3 }, { maxSessionsPerUser: 4 }];
    await limits.publishFile(tenant, before, 'gateway-1');
    expect(await limits.publishFile(tenant, changed, 'gateway-2', before)).toEqual({ replaced: null });
    expect(await limits.publishFile(tenant, changed, 'gateway-1', before)).toEqual({ replaced: null });
    const other = { maxSessionsPerUser: 5 };
    expect(await limits.publishFile(tenant, other, 'gateway-1', before)).toEqual({ replaced: 'gateway-2' });
  });

  it('treats hostile user names as names', async () => {
    const users = Object.fromEntries([
      ['__proto__', 1],
      ['constructor', 2],
      ['version', 3],
    ]);
    await books.store.limits.change(tenant, () => ({ users }));
    const limits = effectiveLimits(await books.store.limits.read(tenant));
    expect(Object.entries(limits.users)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
      ['version', 3],
    ]);
    await books.store.admit(tenant, request('call-1', { user: '__proto__' }));
    expect((await books.store.admit(tenant, request('call-2', { user: '__proto__' }))).decision.kind).toBe('rejected');
  });

  it('tells the outbox of each change once: who, why, what was and what is', async () => {
    const { limits } = books.store;
    await limits.publishFile(tenant, { maxSessionsPerUser: 3, users: { bob: 2 } }, 'gateway-1');
    await limits.change(tenant, (api) => ({ ...api, users: { alice: 9 } }), { by: 'ops', reason: 'festival' });
    await limits.change(tenant, (api) => api, { by: 'ops' });
    await limits.publish(tenant);
    expect(await changesTold()).toMatchObject([
      {
        version: '1',
        who: 'gateway-1',
        reason: 'configuration file',
        after: { maxSessionsPerUser: 3, users: { bob: 2 } },
      },
      { version: '2', who: 'ops', reason: 'festival', before: { users: {} }, after: { users: { alice: 9 } } },
      { version: '3', who: 'ops', reason: '', before: {}, after: {} },
    ]);
  });

  it('tells the outbox of changes that a crash kept from the shards, with the next publication', async () => {
    const { limits } = books.store;
    await limits.change(tenant, () => ({ maxSessionsPerUser: 1 }), { by: 'ops' });
    const crash = jest.spyOn(limits, 'publish').mockRejectedValue(new Error('killed'));
    for (const max of [2, 3])
      await limits.change(tenant, () => ({ maxSessionsPerUser: max }), { by: 'ops' }).catch(() => null);
    crash.mockRestore();
    expect(await changesTold()).toHaveLength(1);
    await limits.publish(tenant);
    expect((await changesTold()).map(({ after }) => after)).toEqual(
      [1, 2, 3].map((max) => ({ maxSessionsPerUser: max })),
    );
  });

  async function changesTold(): Promise<Record<string, unknown>[]> {
    const entries = await books.redis.xrange(keys.events, '-', '+');
    return entries.map(([, flat]) => {
      const fields = Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
      return {
        ...fields,
        before: JSON.parse(fields['before'] ?? ''),
        after: JSON.parse(fields['after'] ?? ''),
      };
    });
  }
});
