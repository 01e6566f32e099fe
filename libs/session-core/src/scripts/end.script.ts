import { readEnded } from '../model/record.js';
import type { EndedSession, EndReason, SessionRef, TrafficTotals } from '../model/session.js';
import { totalArguments } from './renew.script.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const script = new ShardScript('end');

export interface Ending extends SessionRef {
  /** Ends this attempt and earlier ones, never a later one; absent: whichever lives. */
  attempt?: number | undefined;
  reason: EndReason;
  note: string;
  /** `node`: the server says that it is over. `berth`: Berth decided it, and the node has to hang up. */
  by: 'node' | 'berth';
  /** The key or person that has it ended, where there is one. */
  endedBy?: string | null | undefined;
  tombstoneMs: number;
  /** What it came to, as the node says; without channels. */
  totals?: TrafficTotals | undefined;
}

/**
 * `now`: this call ended it. `before`: it had ended. `superseded`: a later attempt lives on. `unknown`: remembered as ended.
 * The session is read from its record when it is looked at: most callers only want to know that it is over.
 */
export type EndOutcome =
  { kind: 'now' | 'before'; session: EndedSession } | { kind: 'superseded' } | { kind: 'unknown' };

/** The id is that of another user's session here: nothing was done, and nothing is remembered. */
export type Foreign = { kind: 'foreign' };

/** Ends a session. Repeatable: ending one that is gone changes nothing. */
export async function end(context: ShardContext, ending: Ending): Promise<EndOutcome | Foreign> {
  const { sessionId, user = '', attempt, reason, note, by, endedBy, tombstoneMs, totals = {} } = ending;
  const args = [
    sessionId,
    attempt ?? '',
    reason,
    note,
    by,
    tombstoneMs,
    endedBy ?? '',
    user,
    ...totalArguments(totals),
  ];
  const reply = new ReplyReader(await script.inShard(context, args));
  switch (reply.text()) {
    case 'live':
      return ended('now', context.tenant, sessionId, reply.bytes());
    case 'ended':
      return ended('before', context.tenant, sessionId, reply.bytes());
    case 'superseded':
      return { kind: 'superseded' };
    case 'unknown':
      return { kind: 'unknown' };
    case 'foreign':
      return { kind: 'foreign' };
    default:
      return reply.fail();
  }
}

function ended(kind: 'now' | 'before', tenant: string, sessionId: string, packed: Buffer): EndOutcome {
  return {
    kind,
    get session() {
      return readEnded(tenant, sessionId, packed);
    },
  };
}
