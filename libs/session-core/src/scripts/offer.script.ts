import type { SessionOutcome } from '../model/decision.js';
import { readEnded, readSession } from '../model/record.js';
import type { EndedSession, Session, SessionRef } from '../model/session.js';
import { handoverArguments, readHandover, type Handover, type Word } from './handover.js';
import { ReplyReader } from './reply.js';
import { ShardScript, type ShardContext } from './script.js';

const offerScript = new ShardScript('offer');
const closeScript = new ShardScript('close-offer');

/** After this long the reaper takes a handover over; far longer than its steps take, so that it seldom meets them. */
export const OFFER_LEASE_MS = 10_000;

/** A handover that is under way, as the shard that has the session keeps it. */
export interface Offer {
  sessionId: string;
  token: number;
  attempt: number;
  to: Handover & { user: string };
}

/** A live session as it was looked at. */
export interface Seen {
  session: Session;
  /** Stands for what may change while the session is on offer. */
  digest: string;
  /** Record, deadline and traffic as `claim` takes them. */
  record: Buffer;
  due: string;
  traffic: Buffer;
}

/** `over`: the session that is on offer has ended since; null if its tombstone is gone. */
export type Offered =
  { kind: 'offered'; offer: Offer; seen: Seen } | { kind: 'over'; offer: Offer; session: EndedSession | null };

export type OfferReply = Offered | Exclude<SessionOutcome, { kind: 'live' }> | Word<'pending' | 'conflict' | 'none'>;

export type CloseReply =
  Word<'closed' | 'gone'> | { kind: 'changed'; seen: Seen } | { kind: 'over'; session: EndedSession | null };

/** First step of a handover to another shard: says where the session is to go. Changes nothing of the session. */
export async function offer(
  context: ShardContext,
  { sessionId, user = '' }: SessionRef,
  { to, attempt, token }: { to: Handover; attempt?: number | undefined; token: number },
): Promise<OfferReply> {
  const args = [attempt ?? '', 'offer', OFFER_LEASE_MS, token, to.kind, ...handoverArguments(to), user];
  return readOffer(
    new ReplyReader(await offerScript.inShard(context, [sessionId, ...args])),
    context.tenant,
    sessionId,
  );
}

/** What is under way with this session, with a new lease; null if nothing is. */
export async function resumeOffer(context: ShardContext, sessionId: string): Promise<Offered | null> {
  const reply = new ReplyReader(await offerScript.inShard(context, [sessionId, '', 'resume', OFFER_LEASE_MS]));
  const read = readOffer(reply, context.tenant, sessionId);
  return read.kind === 'offered' || read.kind === 'over' ? read : null;
}

/** `over`: it had ended in this shard, and what was claimed has ended with it. */
export type Closing = { how: 'claimed'; digest: string } | { how: 'declined' | 'over' };

/** Last step: the session leaves this shard, or stays where the handover came to nothing. */
export async function closeOffer(
  context: ShardContext,
  { sessionId, token }: Offer,
  closing: Closing,
  tombstoneMs: number,
): Promise<CloseReply> {
  const digest = closing.how === 'claimed' ? closing.digest : '';
  const args = [sessionId, token, closing.how, digest, tombstoneMs];
  const reply = new ReplyReader(await closeScript.inShard(context, args));
  const kind = reply.text();
  switch (kind) {
    case 'closed':
    case 'gone':
      return { kind };
    case 'changed':
      return { kind, seen: readSeen(reply, context.tenant, sessionId) };
    case 'over':
      return { kind, session: reply.done() ? null : readEnded(context.tenant, sessionId, reply.bytes()) };
    default:
      return reply.fail();
  }
}

function readOffer(reply: ReplyReader, tenant: string, sessionId: string): OfferReply {
  const kind = reply.text();
  switch (kind) {
    case 'offered':
      return { kind, offer: parseOffer(sessionId, reply.text()), seen: readSeen(reply, tenant, sessionId) };
    case 'over': {
      const parsed = parseOffer(sessionId, reply.text());
      return { kind, offer: parsed, session: reply.done() ? null : readEnded(tenant, sessionId, reply.bytes()) };
    }
    case 'pending':
    case 'none':
    case 'conflict':
      return { kind };
    default: {
      const other = readHandover(kind, reply, tenant, { id: sessionId });
      return other.kind === 'ended' || other.kind === 'unknown' ? other : reply.fail();
    }
  }
}

function readSeen(reply: ReplyReader, tenant: string, sessionId: string): Seen {
  const digest = reply.text();
  const record = reply.bytes();
  const parts = { due: reply.text(), lastActivity: reply.text(), traffic: reply.bytes() };
  const session = readSession(tenant, sessionId, record, parts);
  return { session, digest, record, due: parts.due, traffic: parts.traffic };
}

/** As offer.lua writes it. */
interface WrittenOffer {
  token: string;
  attempt: number;
  kind: Handover['kind'];
  user: string;
  node: string;
  epoch: string;
  newId: string;
}

/** Whether an offer as its shard keeps it, if it does, is that of this handover. */
export function isOffer(json: string | null | undefined, token: number): boolean {
  return typeof json === 'string' && Number((JSON.parse(json) as WrittenOffer).token) === token;
}

function parseOffer(sessionId: string, json: string): Offer {
  const { token, attempt, kind, user, node, epoch, newId } = JSON.parse(json) as WrittenOffer;
  const target = node === '' ? {} : { node, epoch: epoch === '0' ? null : Number(epoch) };
  const to = { kind, user, ...target, ...(newId !== '' && { newId }) };
  return { sessionId, token: Number(token), attempt, to };
}
