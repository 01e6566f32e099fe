import { shardKeys } from '../keys.js';
import type { EffectiveLimits } from '../model/limit.js';
import { text } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('set-limits');

/** So many fields in one HSET: 1,000 take about 0.3 ms of Redis. */
const FIELDS_PER_CHUNK = 1000;
const STAGED_SECONDS = 60;

export type SetLimitsOutcome = 'adopted' | 'kept';

/**
 * Puts the limits into force in one shard, for the next decision there. Only a larger version replaces what is in force.
 * The copy is staged in chunks beside it and renamed in one step, so neither a decision nor a crash sees half of it.
 */
export async function setLimits(context: ShardContext, limits: EffectiveLimits): Promise<SetLimitsOutcome> {
  const { client } = context;
  const staged = shardKeys(context.tenant, context.shard).limitsNext(limits.version);
  const fields = limitFields(limits);
  for (;;) {
    for (let from = 0; from < fields.length; from += FIELDS_PER_CHUNK) {
      const chunk = Object.fromEntries(fields.slice(from, from + FIELDS_PER_CHUNK));
      await client.multi().hset(staged, chunk).expire(staged, STAGED_SECONDS).exec();
    }
    const outcome = text(await script.inShard(context, [limits.version]));
    if (outcome === 'adopted') return outcome;
    if (outcome === 'kept') {
      await client.unlink(staged);
      return outcome;
    }
  }
}

/** The hash that `admit.lua` reads: `complete` comes last, so that a half-filled copy is never taken. */
function limitFields(limits: EffectiveLimits): [string, string | number][] {
  return [
    ['version', limits.version],
    ['enabled', limits.enabled ? 1 : 0],
    ['action', limits.action],
    ['user', limits.maxSessionsPerUser],
    ...Object.entries(limits.users).map(([user, max]): [string, number] => [`user:${user}`, max]),
    ['complete', 1],
  ];
}
