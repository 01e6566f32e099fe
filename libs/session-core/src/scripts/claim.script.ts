import { handoverArguments, readHandover, type HandoverReply, type Word } from './handover.js';
import type { Offer, Seen } from './offer.script.js';
import { text, field, ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const claimScript = new ShardScript('claim');
const unfinishedScript = new ShardScript('unfinished');

/**
 * `claimed`, `declined`: decided before. `no-limits`: nothing is decided. Everything else is decided for good: a place here, or none for
 * this token ever.
 */
export type ClaimReply = HandoverReply | Word<'claimed' | 'declined'>;

/** Which handover, and from which shard. */
export interface ClaimOf {
  offer: Offer;
  from: number;
}

/** Second step of a handover to another shard: takes the session's place there, if its user has room. */
export async function claim(
  context: ShardContext,
  { offer, from }: ClaimOf,
  tombstoneMs: number,
  seen: Seen,
): Promise<ClaimReply> {
  const { sessionId, token, to } = offer;
  const args = [token, from, sessionId, 'claim', to.kind, ...handoverArguments(to), tombstoneMs];
  const reply = new ReplyReader(await claimScript.inShard(context, [...args, seen.record, seen.due, seen.traffic]));
  const word = reply.text();
  if (word === 'claimed' || word === 'declined') return { kind: word };
  return readHandover(word, reply, context.tenant, { id: sessionId, newId: to.newId, user: to.user });
}

/** Whether the place was taken; if not it never will be. */
export async function declineClaim(context: ShardContext, { offer, from }: ClaimOf): Promise<'claimed' | 'declined'> {
  const reply = await claimScript.inShard(context, [offer.token, from, offer.sessionId, 'decline']);
  return text(field(reply, 0)) === 'claimed' ? 'claimed' : 'declined';
}

/** A claim as its shard keeps it. */
export interface OldClaim {
  member: string;
  from: number;
  token: number;
  sessionId: string;
}

/** Handovers that nobody has finished: sessions whose offer's lease is over; and claims that are old. */
export interface Unfinished {
  offered: string[];
  claims: OldClaim[];
}

export async function unfinished(context: ShardContext, batch: number, claimAgeMs: number): Promise<Unfinished> {
  const reply = new ReplyReader(await unfinishedScript.inShard(context, [batch, claimAgeMs]));
  return { offered: reply.list().map(text), claims: reply.list().map((member) => readClaim(text(member))) };
}

function readClaim(member: string): OldClaim {
  const [, from = '', token = '', ...id] = member.split(':');
  return { member, from: Number(from), token: Number(token), sessionId: id.join(':') };
}
