import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, startRedis, type RedisServer } from '#testing';
import { shardKeys, tenantKeys, type TenantRef } from './keys.js';
import { CommandsStore } from './commands-store.js';
import { SessionStore } from './session-store.js';
import { TenantsStore } from './tenants-store.js';
import { auditPass } from '../test/audit.fixture.js';
import { request } from '../test/fixture.js';

/** Every kind of key that `keys.ts` names, as a pattern over a shard's prefix, by building each with a wildcard. */
function namedPatterns(tenant: TenantRef): RegExp[] {
  const shards = Array.from({ length: tenant.shards }, (_, shard) => shardKeys(tenant, shard));
  const names = shards.flatMap((keys) => [
    keys.session('X'),
    keys.traffic('X'),
    keys.early('X', 1),
    keys.userSessions('X'),
    keys.groupSessions('X'),
    keys.nodeSessions('X', 1),
    keys.nodeRuns('X'),
    keys.deadlines,
    keys.users,
    keys.groups,
    keys.started,
    keys.refusals,
    keys.limits,
    keys.limitsNext(1),
    keys.commands('X'),
    keys.commanded,
    keys.nodes,
    keys.begun,
    keys.departed,
    keys.runs,
    keys.audit,
    keys.strays,
    keys.pulse,
    keys.offers,
    keys.offersDue,
    keys.claims,
    keys.missing('X', 1),
    keys.events,
    keys.rejections,
  ]);
  const { registration, limitsDocument, commandsLease } = tenantKeys(tenant.name);
  return [...names, registration, limitsDocument, commandsLease('X')].map(
    (name) => new RegExp(`^${name.replaceAll(/[{}/]/g, String.raw`\$&`).replace(/X(:1)?$/, '.+')}$`),
  );
}

const inAnHour = () => Date.now() + 3_600_000;

describe('the keyspace', () => {
  let server: RedisServer;
  const tenant = { name: 'acme', shards: 3 };

  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await server.stop();
  });

  it('holds only keys that keys.ts names, and nothing of a session once its tombstone has expired', async () => {
    const redis = server.client();
    const store = new SessionStore({ client: redis, deadlineMs: 60_000, tombstoneMs: 100 });
    await new TenantsStore({ client: redis, deadlineMs: 60_000 }).open(tenant);
    await store.limits.change(tenant, () => ({
      maxSessionsPerUser: 3,
      action: 'terminate_oldest',
      users: { 'user-1': 1 },
    }));
    const seen = new Set<string>();
    const look = async () => {
      for (const key of await redis.keys('*')) seen.add(key);
    };

    for (let i = 0; i < 200; i++) {
      const wanted = request(`call-${i}`, {
        user: `user-${i % 20}`,
        node: `node-${i % 4}`,
        groups: [`trunk:${i % 3}`],
        state: i % 2 === 0 ? 'active' : 'reserved',
        policy: { idleMs: i % 5 === 0 ? 50 : 0, maxDurationMs: 100_000, reservationMs: i % 7 === 0 ? 50 : 100_000 },
      });
      const { token } = await store.admit(tenant, wanted);
      await store.renew(tenant, { sessionId: wanted.sessionId }, { bytesSent: i });
      if (i % 4 === 0) await store.confirm(tenant, { sessionId: wanted.sessionId });
      if (i % 9 === 0) store.withdrawLater(tenant, wanted, token);
      if (i % 10 === 3) {
        const target = {
          node: 'node-9',
          epoch: 1,
          user: `user-${i % 7}`,
          newId: i % 20 === 3 ? `new-${i}` : undefined,
        };
        await store.transfers.transfer(tenant, { sessionId: wanted.sessionId }, target);
      }
      if (i % 50 === 0) await look();
    }
    for (let i = 0; i < 4; i++) {
      const early = request(`early-${i}`, { user: `user-${i}` });
      const atMs = Date.now();
      const named = { sessionId: early.sessionId, user: early.user };
      for (const attempt of [undefined, 1]) await store.renew(tenant, named, { bytesSent: i }, { attempt, atMs });
      await look();
      await store.started(tenant, early);
      await store.end(tenant, named, { reason: 'completed', by: 'node' });
    }
    await eventually(async () => {
      for (let shard = 0; shard < tenant.shards; shard++) await store.sweep(tenant, shard, 100);
      return store.withdrawals.pending === 0;
    });
    const commands = new CommandsStore({ client: redis, deadlineMs: 60_000, tombstoneMs: 100 });
    await commands.leaseDelivery(tenant, 'node-0', 'somebody', 1_000);
    await look();
    for await (const page of commands.unacknowledged(tenant, 'node-0')) {
      for (const { commandId } of page) await commands.acknowledge(tenant, 'node-0', commandId);
    }
    for (let i = 0; i < 200; i++) {
      for (const sessionId of [`call-${i}`, `new-${i}`]) {
        await store.end(tenant, { sessionId }, { reason: 'completed', by: 'node' });
      }
    }
    await look();
    for (let shard = 0; shard < tenant.shards; shard++) await store.upkeep(tenant, shard, 100);
    const later = new SessionStore({ client: redis, deadlineMs: 60_000, tombstoneMs: 100, clockMs: inAnHour });
    for (let shard = 0; shard < tenant.shards; shard++) await later.transfers.repair(tenant, shard, 100);

    // Only the audit forgets which runs held sessions; what it keeps of its own stays.
    const { found } = await auditPass(redis, tenant);
    expect(found).toEqual({ ended: 0, restored: 0, removed: 0, recounted: 0 });
    await look();

    const patterns = namedPatterns(tenant);
    expect([...seen].filter((key) => !patterns.some((pattern) => pattern.test(key)))).toEqual([]);
    const lasting = /:(tenant|limits|events|rejections|audit)$/;
    await eventually(async () => (await redis.keys('*')).every((key) => lasting.test(key)));
    await store.withdrawals.close();
  });

  it('keeps the names of later pieces free', () => {
    const keys = shardKeys({ name: 't', shards: 1 }, 0);
    const taken = Object.values(keys).map((key) =>
      typeof key === 'string' ? key : key('x' as never, 'x' as never, 1, 1),
    );
    // `tally`, `quota:<limit>` in a shard; `pool:<limit>` of a tenant.
    for (const name of ['tally', 'quota', 'pool']) {
      expect(taken.some((key) => key.replace(keys.prefix, '').split(':')[0] === name)).toBe(false);
    }
  });
});
