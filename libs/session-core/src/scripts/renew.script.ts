import type { SessionOutcome } from '../model/decision.js';
import type { SessionRef, TrafficTotals } from '../model/session.js';
import { readOutcome } from './outcome.js';
import { ShardScript, type ScriptArgument, type ShardContext } from './script.js';

const script = new ShardScript('renew');

const TOTALS = ['bytesSent', 'bytesReceived', 'packetsSent', 'packetsReceived'] as const;

/** Totals as scripts take them: pairs of name and value. */
export function totalArguments(totals: TrafficTotals): ScriptArgument[] {
  return TOTALS.flatMap((name) => {
    const value = totals[name];
    return value === undefined ? [] : [name, value];
  });
}

export interface RenewOptions {
  /** Absent: whichever lives. */
  attempt?: number | undefined;
  /** When the activity was, milliseconds of the Redis clock; absent: now. */
  atMs?: number | undefined;
}

/**
 * Renews the session's idle time and merges the totals by maximum; the maximum duration stays where it was. Totals of a session that is not
 * live are kept for its start, or for history.
 *
 * `ended`: the session is no longer on the books, the caller must hang up: its place may be taken.
 */
export async function renew(
  context: ShardContext,
  { sessionId, user = '' }: SessionRef,
  totals: TrafficTotals,
  { attempt, atMs }: RenewOptions = {},
): Promise<SessionOutcome> {
  const args: ScriptArgument[] = [sessionId, attempt ?? '', atMs ?? '', user, ...totalArguments(totals)];
  if (totals.channels !== undefined) args.push('channels', JSON.stringify(totals.channels));
  return readOutcome(await script.inShard(context, args), context.tenant, sessionId);
}
