import { Cluster, type Redis } from 'ioredis';

import { storeFaultOf } from '#session-core';

import type { CheckResult, ReadinessLook } from './readiness.js';
import { RedisMemory } from './redis-memory.js';

const MEMORY_WARNING_SHARE = 0.8;

/** How many keys each server has evicted, as far as this process has seen: also after the server was restarted or its statistics were reset. */
type Evictions = Map<string, { last: number; keys: number }>;

/** The look that `ReadinessChecks.watch` takes. It remembers what it has seen, and tells `memory`. */
export function memoryCheck(redis: Redis | Cluster, memory = new RedisMemory()): ReadinessLook {
  const evicted: Evictions = new Map();
  return { name: 'memory', run: () => memoryOf(redis, evicted, memory) };
}

/**
 * Whether every master keeps every key, and has room. From INFO, since CONFIG is often forbidden. Any policy but `noeviction` throws live
 * sessions away when memory is short. Never `failed`: whether Redis serves is found out by asking it for decisions.
 */
async function memoryOf(redis: Redis | Cluster, evicted: Evictions, memory: RedisMemory): Promise<CheckResult> {
  const warnings: string[] = [];
  let fullest: number | null = 0;
  for (const [index, master] of masters(redis).entries()) {
    const server = redis instanceof Cluster ? `master ${index + 1} of the Redis Cluster` : 'Redis';
    let info: string;
    try {
      info = await master.info('memory', 'stats');
    } catch (error) {
      const { sentence } = storeFaultOf(error) ?? { sentence: 'INFO memory failed' };
      warnings.push(`${server} does not say how much memory it has: ${sentence}`);
      fullest = null;
      continue;
    }
    const policy = infoField(info, 'maxmemory_policy') ?? 'unknown';
    const used = Number(infoField(info, 'used_memory') ?? 0);
    const max = Number(infoField(info, 'maxmemory') ?? 0);
    if (policy !== 'noeviction') {
      warnings.push(`${server} has maxmemory-policy ${policy}: it may evict live sessions; set noeviction`);
    }
    const { host, port } = master.options;
    const lost = remembered(evicted, `${host}:${port}`, Number(infoField(info, 'evicted_keys') ?? 0));
    if (lost.keys > 0) {
      warnings.push(
        `${server} has evicted ${lost.keys} keys${lost.isGrowing ? ' and goes on' : ''}: sessions may be off the books although their calls live, ` +
          'and the audit ends what is left of them; set maxmemory-policy noeviction, give it more memory, and restart this process when the lists of the nodes have come',
      );
    }
    if (max > 0 && fullest !== null) fullest = Math.max(fullest, used / max);
    if (max > 0 && used >= MEMORY_WARNING_SHARE * max) {
      warnings.push(
        `${server} uses ${Math.round((100 * used) / max)} % of its maxmemory; admissions fail when it is full`,
      );
    }
  }
  if (fullest !== null) memory.saw(fullest);
  return warnings.length === 0 ? { status: 'ok' } : { status: 'degraded', warnings };
}

/** None while a cluster is not known: then nothing can be decided either, which another check reports. */
function masters(redis: Redis | Cluster): Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis];
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
