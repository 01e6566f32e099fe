import { Cluster, type Redis } from 'ioredis';

import type { CheckResult, ReadinessCheck } from './readiness.js';

const MEMORY_WARNING_SHARE = 0.8;

/** Whether every master answers and takes scripts, keeps every key, and has room. */
export function redisChecks(redis: Redis | Cluster): ReadinessCheck[] {
  return [
    { name: 'redis', run: () => reachable(redis) },
    { name: 'scripts', run: () => scriptsLoadable(redis) },
    { name: 'memory', run: () => memory(redis) },
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
async function memory(redis: Redis | Cluster): Promise<CheckResult> {
  const warnings: string[] = [];
  for (const master of masters(redis)) {
    const info = await master.info('memory').catch(() => null);
    if (info === null)
      return { status: 'failed', message: `Redis ${addressOf(master)} does not say how much memory it has` };
    const policy = infoField(info, 'maxmemory_policy') ?? 'unknown';
    const used = Number(infoField(info, 'used_memory') ?? 0);
    const max = Number(infoField(info, 'maxmemory') ?? 0);
    const server = addressOf(master);
    if (policy !== 'noeviction') {
      warnings.push(`Redis ${server} has maxmemory-policy ${policy}: it may evict live sessions; set noeviction`);
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
