import { limitFields } from '../model/limit-fields.js';
import { rulesMark } from '../model/identity/index.js';
import type { LimitsChange } from '../model/limits-change.js';
import type { EffectiveLimits } from '../model/limits-document.js';
import { text } from './reply.js';
import { keysOf, ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('set-limits');

/** So many fields in one HSET: 1,000 take about 0.3 ms of Redis. */
const FIELDS_PER_CHUNK = 1000;
const STAGED_SECONDS = 60;

export type SetLimitsOutcome = 'adopted' | 'kept';

/**
 * Puts the limits into force in one shard, for the next decision there. Only a larger version replaces what is in force.
 * The copy is staged in chunks beside it and renamed in one step, so neither a decision nor a crash sees half of it.
 *
 * `changes` that the shard has not seen go to its outbox in the same step: given to one shard of the tenant.
 */
export async function setLimits(
  context: ShardContext,
  limits: EffectiveLimits,
  changes: readonly LimitsChange[] = [],
): Promise<SetLimitsOutcome> {
  const { client } = context;
  const mark = rulesMark(context.identity);
  const staged = keysOf(context).limitsNext(limits.version) + mark;
  const fields = limitFields(limits, mark);
  const changed = changes.flatMap(({ version, by, reason, before, after }) => [
    version,
    by,
    reason ?? '',
    JSON.stringify(before),
    JSON.stringify(after),
  ]);
  for (;;) {
    for (let from = 0; from < fields.length; from += FIELDS_PER_CHUNK) {
      const chunk = Object.fromEntries(fields.slice(from, from + FIELDS_PER_CHUNK));
      await client.multi().hset(staged, chunk).expire(staged, STAGED_SECONDS).exec();
    }
    const outcome = text(await script.inShard(context, [limits.version, ...changed]));
    if (outcome === 'adopted') return outcome;
    if (outcome === 'kept') {
      await client.unlink(staged);
      return outcome;
    }
  }
}
