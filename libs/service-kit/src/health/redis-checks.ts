import { Cluster, type Redis } from 'ioredis';

import type { CheckResult, ReadinessCheck } from './readiness.js';

const MEMORY_WARNING_SHARE = 0.8;

/** How many keys each server has evicted, as far as this process has seen: also after the server was restarted or its statistics were reset. */
type Evictions = Map<string, { last: number; keys: number }>;

/** Whether every master answers and takes scripts, keeps every key, and has room. */
export function redisChecks(redis: Redis | Cluster): ReadinessCheck[] {
  const evicted: Evictions = new Map();
  return [
    { name: 'redis', run: () => reachable(redis) },
    { name: 'scripts', run: () => scriptsLoadable(redis) },
    { name: 'memory', run: () => memory(redis, evicted) },
  ];
}

async function reachable(redis: Redis | Cluster): Promise<CheckResult> {
  const silent: string[] = [];
  for (const master of masters(redis)) {
    await master.ping().catch(() => silent.push(addressOf(master)));
  }
  if (silent.length === 0) return { status: 'ok' };
  return { status: 'failed', message: `Redis ${silent.join(', ')} does not answer` };
}

/** A user of Redis whose rights do not cover SCRIPT, or a replica in place of a master, cannot decide anything. */
async function scriptsLoadable(redis: Redis | Cluster): Promise<CheckResult> {
  const refusing: string[] = [];
  for (const master of masters(redis)) {
    await master.script('LOAD', 'return 1').catch(() => refusing.push(addressOf(master)));
  }
  if (refusing.length === 0) return { status: 'ok' };
  return {
    status: 'failed',
    message: `Redis ${refusing.join(', ')} takes no scripts: it is away, or the user's rights lack SCRIPT`,
  };
}

/** From INFO, since CONFIG is often forbidden. Any policy but `noeviction` throws live sessions away when memory is short. */
async function memory(redis: Redis | Cluster, evicted: Evictions): Promise<CheckResult> {
  const warnings: string[] = [];
  for (const master of masters(redis)) {
    const info = await master.info('memory', 'stats').catch(() => null);
    if (info === null)
      return { status: 'failed', message: `Redis ${addressOf(master)} does not say how much memory it has` };
    const policy = infoField(info, 'maxmemory_policy') ?? 'unknown';
    const used = Number(infoField(info, 'used_memory') ?? 0);
    const max = Number(infoField(info, 'maxmemory') ?? 0);
    const server = addressOf(master);
    if (policy !== 'noeviction') {
      warnings.push(`Redis ${server} has maxmemory-policy ${policy}: it may evict live sessions; set noeviction`);
    }
    const lost = remembered(evicted, server, Number(infoField(info, 'evicted_keys') ?? 0));
    if (lost.keys > 0) {
      warnings.push(
        `Redis ${server} has evicted ${lost.keys} keys${lost.isGrowing ? ' and goes on' : ''}: sessions may be off the books although their calls live, ` +
          'and the audit ends what is left of them; set maxmemory-policy noeviction, give it more memory, and restart this process when the lists of the nodes have come',
      );
    }
    if (max > 0 && used >= MEMORY_WARNING_SHARE * max) {
      warnings.push(
        `Redis ${server} uses ${Math.round((100 * used) / max)} % of its maxmemory; admissions fail when it is full`,
      );
    }
  }
  return warnings.length === 0 ? { status: 'ok' } : { status: 'degraded', warnings };
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}

function masters(redis: Redis | Cluster): Redis[] {
  if (!(redis instanceof Cluster)) return [redis];
  const nodes = redis.nodes('master');
  if (redis.status !== 'ready' || nodes.length === 0)
    throw new Error(`The Redis cluster cannot be reached (${redis.status})`);
  return nodes;
}

function infoField(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

function remembered(evicted: Evictions, server: string, now: number): { keys: number; isGrowing: boolean } {
  const known = evicted.get(server) ?? { last: 0, keys: 0 };
  // A smaller number than before begins at nothing: the server counts anew.
  const more = now >= known.last ? now - known.last : now;
  const isGrowing = more > 0 && evicted.has(server);
  evicted.set(server, { last: now, keys: known.keys + more });
  return { keys: known.keys + more, isGrowing };
}
