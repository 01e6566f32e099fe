import { InvalidInputError } from './errors.js';
import { shardKeys, shardOf, type ShardKeys, type TenantRef } from './keys.js';
import { groupParts, limitTarget, type LimitKey } from './model/limit-key.js';
import type { ShardContext, StoreClient } from './scripts/script.js';
import { trim, type Trim, type TrimmedLimit } from './scripts/trim.script.js';

/** Emergency sessions stay, so more are looked at than are to go. */
const LOOKED_AT_BESIDES = 64;

/**
 * Ends sessions that are above one limit, until it holds, at most `batch` and 64 more: those that its action would not have let live, so the oldest where the
 * limit ends the oldest, else the newest (of the total, those that are due last). Never emergency sessions.
 *
 * Throws InvalidInputError for a key that is not that of one user, one group or the total.
 */
export async function trimLimit(
  contextOf: (tenant: TenantRef, shard: number) => ShardContext,
  tenant: TenantRef,
  key: LimitKey,
  batch: number,
  by: string,
): Promise<Trim> {
  const limit = trimmedLimit(key);
  const shard = limit.scope === 'user' ? shardOf(tenant, limit.name) : 0;
  const context = contextOf(tenant, shard);
  const ids = await candidates(context.client, shardKeys(tenant, shard), limit, batch);
  return await trim(context, limit, ids, by);
}

function trimmedLimit(key: LimitKey): TrimmedLimit {
  const target = limitTarget(key);
  if (target?.kind === 'total') return { scope: 'total', name: '' };
  if (target?.kind === 'user-name') return { scope: 'user', name: target.name };
  if (target?.kind === 'group') return { scope: 'group', name: target.group };
  throw new InvalidInputError('key', `${key} is not the limit of one user, one group or the total`);
}

async function candidates(
  client: StoreClient,
  keys: ShardKeys,
  { scope, name }: TrimmedLimit,
  batch: number,
): Promise<string[]> {
  const last = String(batch + LOOKED_AT_BESIDES - 1);
  if (scope === 'total') {
    const oldest = await client.zrange(keys.started, '0', last);
    return oldest.length > 0 ? oldest : await client.zrange(keys.deadlines, '0', last, 'REV');
  }
  const [action, set] =
    scope === 'user'
      ? [await client.hget(keys.limits, 'action'), keys.userSessions(name)]
      : [await client.hget(keys.limits, `kind_action:${groupParts(name).kind}`), keys.groupSessions(name)];
  return action === 'terminate_oldest'
    ? await client.zrange(set, '0', last)
    : await client.zrange(set, '0', last, 'REV');
}
