import type { NodeDraining, Rejected, SessionOutcome, StaleEpoch } from '../model/decision.js';
import { readEnded, readSession } from '../model/record.js';
import type { Session } from '../model/session.js';
import type { Transferred, TransferTarget } from '../model/transfer.js';
import { readRejected, readVictim, userLimits, type FutureEpoch } from './admit.script.js';
import type { ReplyReader } from './reply.js';
import type { ScriptArgument } from './script.js';

/** A reply of one word, one of these. */
export type Word<K extends string> = K extends string ? { kind: K } : never;

/** What a handover changes; an absent part stays as it was. An authentication says a user alone. */
export interface Handover extends Partial<TransferTarget> {
  kind: 'authenticated' | 'transferred';
}

/**
 * `offered`: a handover to another shard is under way, and has to be brought to its end first. `id-taken`, `id-ended`: another session
 * lives, or has ended, under the id that this one is to have.
 */
export type HandoverReply =
  | Transferred
  | Exclude<SessionOutcome, { kind: 'live' }>
  | Rejected
  | StaleEpoch
  | FutureEpoch
  | NodeDraining
  | Word<'conflict' | 'id-taken' | 'id-ended' | 'no-limits' | 'offered'>;

/** The arguments of a handover as the scripts have them: user, node, epoch, new id. */
export function handoverArguments({ user, node, epoch, newId }: Handover): ScriptArgument[] {
  return [user ?? '', node ?? '', epoch ?? 0, newId ?? ''];
}

/** Reads what authenticate and transfer reply, and claim where it decides. `id` is the session's once it is handed over. */
export function readHandover(
  word: string,
  reply: ReplyReader,
  tenant: string,
  { id, newId = id, user = '' }: { id: string; newId?: string | undefined; user?: string | undefined },
): HandoverReply {
  switch (word) {
    case 'moved': {
      const limits = userLimits(user, reply.integer(), reply.integer());
      reply.integer();
      const victims = reply.list();
      const session = readLive(reply, tenant, newId);
      return { kind: 'live', changed: true, session, limits, terminated: victims.map(readVictim) };
    }
    case 'live':
      return { kind: 'live', changed: false, session: readLive(reply, tenant, id), limits: [], terminated: [] };
    case 'rejected':
      return readRejected(reply);
    case 'stale-epoch':
      return { kind: 'stale-epoch', currentEpoch: reply.integer() };
    case 'future-epoch':
      return { kind: 'future-epoch', epoch: reply.integer(), nowMs: reply.integer() };
    case 'ended':
      return { kind: 'ended', session: reply.done() ? null : readEnded(tenant, id, reply.bytes()) };
    case 'unknown':
    case 'node-draining':
    case 'conflict':
    case 'id-taken':
    case 'id-ended':
    case 'no-limits':
    case 'offered':
      return { kind: word };
    default:
      return reply.fail();
  }
}

/** Reads record, due, last activity and traffic of a live session. */
function readLive(reply: ReplyReader, tenant: string, id: string): Session {
  const packed = reply.bytes();
  return readSession(tenant, id, packed, {
    due: reply.text(),
    lastActivity: reply.text(),
    traffic: reply.bytes(),
  });
}
