import { expect } from '@jest/globals';
import type { Redis } from 'ioredis';
import { escapeKeyPart, shardKeys, shardNumbers, type TenantRef } from '../src/keys.js';
import type { Session } from '../src/model/session.js';
import { list } from '../src/scripts/list.script.js';

export interface FoundSession {
  shard: number;
  session: Session;
}

/** Insists that every live session of a tenant is in exactly the indices that its record says, and nothing else is. Returns them all. */
export async function consistentBooks(redis: Redis, tenant: TenantRef): Promise<FoundSession[]> {
  const found: FoundSession[] = [];
  for (const shard of shardNumbers(tenant)) {
    const keys = shardKeys(tenant, shard);
    const ids = await redis.zrange(keys.deadlines, '0', '-1');
    const { sessions } = await list({ client: redis, tenant: tenant.name, shards: tenant.shards, shard }, ids);
    expect(sessions.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    found.push(...sessions.map((session) => ({ shard, session })));

    const wanted = new Map<string, string[]>();
    const beaten = new Set(await redis.hkeys(keys.nodes));
    const put = (key: string, member: string) => wanted.set(key, [...(wanted.get(key) ?? []), member].toSorted());
    for (const { id, user, node, epoch, groups, startedAtMs } of sessions) {
      if (user !== '') put(keys.userSessions(user), `${id}=${startedAtMs}`);
      if (node !== null) put(keys.nodeSessions(node, epoch ?? 0), id);
      if (node !== null && epoch !== null && !beaten.has(node)) wanted.set(...notedRun(wanted, keys, node, epoch));
      for (const group of groups) put(keys.groupSessions(group), `${id}=${startedAtMs}`);
    }
    for (const user of new Set(sessions.map((session) => session.user))) {
      const count = sessions.filter((session) => session.user === user).length;
      if (user !== '') put(keys.users, `${user}=${count}`);
    }
    const indices = await indicesOf(redis, keys);
    for (const node of beaten) indices.delete(keys.nodeRuns(node));
    expect(indices).toEqual(wanted);
  }
  return found;
}

/** How many live sessions a user has. */
export async function countOf(redis: Redis, tenant: TenantRef, user: string): Promise<number> {
  const counts = await Promise.all(
    shardNumbers(tenant).map((shard) =>
      redis.zcard(`${shardKeys(tenant, shard).prefix}user_sessions:${escapeKeyPart(user)}`),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The runs that are noted of a node that has not beaten, this one among them. */
function notedRun(
  wanted: Map<string, string[]>,
  keys: ReturnType<typeof shardKeys>,
  node: string,
  epoch: number,
): [string, string[]] {
  const key = keys.nodeRuns(node);
  return [key, [...new Set([...(wanted.get(key) ?? []), `${epoch}=${epoch}`])].toSorted()];
}

async function indicesOf(redis: Redis, keys: ReturnType<typeof shardKeys>): Promise<Map<string, string[]>> {
  const names = (await redis.keys('*')).filter((name) => name.startsWith(keys.prefix));
  const indices = new Map<string, string[]>();
  for (const name of names) {
    const kind = name.slice(keys.prefix.length).split(':')[0];
    if (kind === 'node_sessions') indices.set(name, (await redis.smembers(name)).toSorted());
    if (kind === 'user_sessions' || kind === 'group_sessions' || kind === 'users' || kind === 'node_runs') {
      const flat = await redis.zrange(name, '0', '-1', 'WITHSCORES');
      indices.set(name, flat.flatMap((member, i) => (i % 2 === 0 ? [`${member}=${flat[i + 1]}`] : [])).toSorted());
    }
  }
  return indices;
}
