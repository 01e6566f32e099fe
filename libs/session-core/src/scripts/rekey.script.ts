import { BOOKS_FORMAT, type BooksIdentity } from '../model/identity/index.js';
import { readEnded, readSession } from '../model/record.js';
import type { EndedSession, EndReason, Session } from '../model/session.js';
import type { Seen } from './offer.script.js';
import { readIdentity } from './register-tenant.script.js';
import { integer, ReplyReader } from './reply.js';
import { ShardScript, TenantScript, type ShardContext, type TenantContext } from './script.js';

const beginScript = new TenantScript('begin-rekey');
const finishScript = new TenantScript('finish-rekey');
const closeScript = new ShardScript('close-shard');
const lookScript = new ShardScript('look-over');
const renameScript = new ShardScript('rename');
const arriveScript = new ShardScript('arrive');
const departScript = new ShardScript('depart');

/** So many sessions get another user in one call: about 1 ms of Redis. */
export const RENAMED_PER_CALL = 25;
/** So many are looked at in one. */
export const LOOKED_AT_PER_CALL = 100;

export type RekeyBeginning =
  | { kind: 'begun'; shards: number; registered: BooksIdentity }
  | { kind: 'done'; shards: number }
  | { kind: 'other'; target: BooksIdentity }
  | { kind: 'format'; format: string }
  | { kind: 'unregistered' | 'unknown' };

/** Says that the identity rules of a tenant are being changed to these; again after a run that was broken off. */
export async function beginRekey(context: TenantContext, target: BooksIdentity): Promise<RekeyBeginning> {
  const reply = new ReplyReader(await beginScript.inTenant(context, [BOOKS_FORMAT, target.case, target.domain]));
  const kind = reply.text();
  switch (kind) {
    case 'begun':
      return { kind, shards: reply.integer(), registered: readIdentity(reply) };
    case 'done':
      return { kind, shards: reply.integer() };
    case 'other':
      return { kind, target: readIdentity(reply) };
    case 'format':
      return { kind, format: reply.text() };
    case 'unregistered':
    case 'unknown':
      return { kind };
    default:
      return reply.fail();
  }
}

/** Registers the rules that the books have now. False if nobody is changing them to these. */
export async function finishRekey(context: TenantContext, target: BooksIdentity): Promise<boolean> {
  return integer(await finishScript.inTenant(context, [target.case, target.domain])) === 1;
}

/** Keeps everybody from the names of a shard who reads them by other rules than those of the context, and takes its limits out of force. */
export async function closeShard(context: ShardContext): Promise<void> {
  await closeScript.inShard(context, []);
}

/** A live session, and what goes along when it gets another user. */
export interface SeenSession extends Seen {
  session: Session;
  /** Until when the calls of its user are paid for, milliseconds. */
  paidUntil: string;
}

/** The sessions with these ids that are live, at most `LOOKED_AT_PER_CALL`. */
export async function lookOver(context: ShardContext, sessionIds: string[]): Promise<SeenSession[]> {
  const reply = new ReplyReader(await lookScript.inShard(context, sessionIds));
  return reply.rest().map((entry) => {
    const reader = new ReplyReader(entry);
    const [id, digest, record] = [reader.text(), reader.text(), reader.bytes()];
    const parts = { due: reader.text(), lastActivity: reader.text(), traffic: reader.bytes() };
    const session = readSession(context.tenant, id, record, parts);
    return { session, digest, record, due: parts.due, traffic: parts.traffic, paidUntil: reader.text() };
  });
}

/** A session and the user that it gets. */
export interface Renaming {
  seen: SeenSession;
  user: string;
}

/** Gives sessions other users of the same shard, at most `RENAMED_PER_CALL`. */
export async function rename(context: ShardContext, renamings: Renaming[]): Promise<number> {
  const args = renamings.flatMap(({ seen: { session, paidUntil }, user }) => [
    session.id,
    session.user,
    user,
    paidUntil,
  ]);
  return integer(await renameScript.inShard(context, args));
}

/** `node_lost`, `node_restarted`, `completed`: it has ended with the run of its node, which was lost, has restarted or has left. */
export type Arrival = 'here' | 'taken' | Extract<EndReason, 'node_lost' | 'node_restarted' | 'completed'>;

/** Puts sessions of another shard on the books under users of this one, at most `RENAMED_PER_CALL`. Says of each what came of it. */
export async function arrive(context: ShardContext, renamings: Renaming[]): Promise<Arrival[]> {
  const args = renamings.flatMap(({ seen, user }) => [
    seen.session.id,
    user,
    seen.record,
    seen.due,
    seen.traffic,
    seen.paidUntil,
  ]);
  const reply = new ReplyReader(await arriveScript.inShard(context, args));
  return renamings.map(() => reply.text() as Arrival);
}

/** `changed`: it has to arrive anew. `over`: it had ended; null if its tombstone is gone. */
export type Departure = { kind: 'left' | 'changed' } | { kind: 'over'; session: EndedSession | null };

/** Takes sessions off the books that have arrived in another shard as they were seen, at most `RENAMED_PER_CALL`. */
export async function depart(context: ShardContext, renamings: Renaming[], tombstoneMs: number): Promise<Departure[]> {
  const args = renamings.flatMap(({ seen, user }) => [seen.session.id, seen.digest, user]);
  const reply = new ReplyReader(await departScript.inShard(context, [tombstoneMs, ...args]));
  return renamings.map(({ seen: { session } }) => {
    const reader = new ReplyReader(reply.list());
    const kind = reader.text();
    if (kind === 'left' || kind === 'changed') return { kind };
    return { kind: 'over', session: reader.done() ? null : readEnded(context.tenant, session.id, reader.bytes()) };
  });
}
