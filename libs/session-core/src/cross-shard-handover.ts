import { randomInt } from 'node:crypto';
import { shardKeys, shardOf, type TenantRef } from './keys.js';
import type { LimitsStore } from './limits-store.js';
import type { EndedSession, EndReason, Session, SessionRef, TrafficTotals } from './model/session.js';
import {
  claim,
  declineClaim,
  unfinished,
  type ClaimOf,
  type ClaimReply,
  type OldClaim,
} from './scripts/claim.script.js';
import { confirm } from './scripts/confirm.script.js';
import { end } from './scripts/end.script.js';
import type { Handover, HandoverReply } from './scripts/handover.js';
import {
  closeOffer,
  offer,
  isOffer,
  resumeOffer,
  type Closing,
  type CloseReply,
  type Offered,
  type Seen,
} from './scripts/offer.script.js';
import { renew } from './scripts/renew.script.js';
import type { ShardContext } from './scripts/script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf, type Tombstones } from './tombstones.js';

export interface CrossShardOptions {
  limits: LimitsStore;
  deadlineMs: number;
  tombstoneMs: Tombstones;
  contextOf: (tenant: TenantRef, shard: number) => ShardContext;
}

/** What was decided about a handover is remembered until the last call for it must have arrived, however slow its connection. */
const OLD_CLAIM_MS = 300_000;

/** What ends a session because of its node alone; the node that took it over still has it. */
const OF_ITS_NODE: ReadonlySet<EndReason> = new Set<EndReason>(['node_lost', 'node_restarted', 'reconciled']);

/** With this note a session ends whose node has left; `runs.lua` has the same. */
const LEFT_NOTE = 'its node has left';

const MAX_TOKENS = 2 ** 48 - 1;

/** What became of it is to be seen from the books. */
const ASK_AGAIN = { kind: 'offered' } as const;

interface Crossing extends ClaimOf {
  tenant: TenantRef;
  to: number;
}

/**
 * A handover to another shard of the tenant: `offer` in the shard that has the session, `claim` in the other one, `close-offer` in the
 * first. Every step can be repeated, by anybody, and what a claim decided is final; so any process that finds an offer brings it to its end.
 */
export class CrossShardHandover {
  constructor(private readonly options: CrossShardOptions) {}

  /** Starts one and goes through with it. `offered`: one was or is under way; see what became of it and ask again. */
  async begin(
    tenant: TenantRef,
    from: number,
    ref: SessionRef,
    to: Handover,
    attempt?: number,
  ): Promise<HandoverReply> {
    const token = newToken();
    const reply = await this.call(async () => await offer(this.context(tenant, from), ref, { to, attempt, token }));
    switch (reply.kind) {
      case 'offered':
        return await this.complete(tenant, from, reply);
      case 'ended':
      case 'unknown':
      case 'conflict':
        return reply;
      default:
        return ASK_AGAIN;
    }
  }

  /** Goes through with what is under way with a session, if anything is. */
  async resume(tenant: TenantRef, from: number, sessionId: string): Promise<void> {
    const offered = await this.call(async () => await resumeOffer(this.context(tenant, from), sessionId));
    if (offered !== null) await this.complete(tenant, from, offered);
  }

  /** Takes an offer back; one that has been claimed is gone through with. */
  async takeBack(tenant: TenantRef, from: number, sessionId: string): Promise<void> {
    const offered = await this.call(async () => await resumeOffer(this.context(tenant, from), sessionId));
    if (offered === null) return;
    const handover: Crossing = { tenant, offer: offered.offer, from, to: shardOf(tenant, offered.offer.to.user) };
    const decided = await this.decline(handover);
    if (offered.kind === 'over') {
      await this.endBoth(handover, offered.session, decided);
    } else if (decided === 'declined') {
      await this.close(handover, { how: 'declined' });
    } else {
      await this.catchUp(handover, offered.seen.session);
      await this.leave(handover, offered.seen, { kind: 'claimed' });
    }
  }

  async repair(tenant: TenantRef, shard: number, batch: number): Promise<number> {
    const left = await this.call(async () => await unfinished(this.context(tenant, shard), batch, OLD_CLAIM_MS));
    for (const sessionId of left.offered) await this.resume(tenant, shard, sessionId);
    await this.forgetClaims(tenant, shard, left.claims);
    return left.offered.length;
  }

  private async complete(tenant: TenantRef, from: number, offered: Offered): Promise<HandoverReply> {
    const handover: Crossing = { tenant, offer: offered.offer, from, to: shardOf(tenant, offered.offer.to.user) };
    if (offered.kind === 'over') return await this.endBoth(handover, offered.session, await this.decline(handover));
    const reply = await this.claim(handover, offered.seen);
    if (reply.kind !== 'live' && reply.kind !== 'claimed') {
      await this.close(handover, { how: 'declined' });
      return reply.kind === 'declined' ? ASK_AGAIN : reply;
    }
    // Who claimed it before may have done so before it was confirmed or renewed.
    if (reply.kind === 'claimed') await this.catchUp(handover, offered.seen.session);
    return await this.leave(handover, offered.seen, reply);
  }

  /** It is claimed. It leaves its old shard once the new one has it as it was there at last. */
  private async leave(handover: Crossing, seen: Seen, reply: ClaimReply): Promise<HandoverReply> {
    let { digest } = seen;
    for (;;) {
      const closed = await this.close(handover, { how: 'claimed', digest });
      if (closed.kind === 'over') return await this.endBoth(handover, closed.session, 'claimed');
      if (closed.kind !== 'changed') break;
      await this.catchUp(handover, closed.seen.session);
      ({ digest } = closed.seen);
    }
    return reply.kind === 'live' && digest === seen.digest ? reply : ASK_AGAIN;
  }

  /** It ended in its old shard while it was on offer, and so it has ended altogether. */
  private async endBoth(
    handover: Crossing,
    ended: EndedSession | null,
    decided: 'claimed' | 'declined',
  ): Promise<HandoverReply> {
    if (decided === 'claimed') await this.endClaimed(handover, ended);
    await this.close(handover, { how: 'over' });
    return ASK_AGAIN;
  }

  private async endClaimed(handover: Crossing, ended: EndedSession | null): Promise<void> {
    const {
      endReason: reason,
      note,
      endedBy,
    } = ended ?? { endReason: 'completed' as const, note: null, endedBy: null };
    const ofItsNode = OF_ITS_NODE.has(reason) || (reason === 'completed' && note === LEFT_NOTE);
    if (ofItsNode && handover.offer.to.node !== undefined) return;
    const by = ofItsNode || reason === 'completed' ? 'node' : 'berth';
    const tombstoneMs = tombstoneOf(this.options, handover.tenant);
    const ending = { ...claimedOf(handover), reason, note: note ?? '', by, endedBy, tombstoneMs } as const;
    await this.call(async () => await end(this.context(handover.tenant, handover.to), ending));
  }

  private async catchUp(handover: Crossing, session: Session): Promise<void> {
    const there = this.context(handover.tenant, handover.to);
    const { sessionId, attempt } = claimedOf(handover);
    if (session.state === 'active') await this.call(async () => await confirm(there, { sessionId }, attempt));
    await this.call(
      async () => await renew(there, { sessionId }, totalsOf(session), { attempt, atMs: session.lastActivityAtMs }),
    );
  }

  private async claim(handover: Crossing, seen: Seen): Promise<ClaimReply> {
    const there = this.context(handover.tenant, handover.to);
    const { limits } = this.options;
    const tombstoneMs = tombstoneOf(this.options, handover.tenant);
    return await this.call(async () => {
      const reply = await claim(there, handover, tombstoneMs, seen);
      if (reply.kind !== 'no-limits') return reply;
      await limits.publish(handover.tenant);
      return await claim(there, handover, tombstoneMs, seen);
    });
  }

  private async decline(handover: Crossing): Promise<'claimed' | 'declined'> {
    return await this.call(async () => await declineClaim(this.context(handover.tenant, handover.to), handover));
  }

  private async close(handover: Crossing, closing: Closing): Promise<CloseReply> {
    const here = this.context(handover.tenant, handover.from);
    const tombstoneMs = tombstoneOf(this.options, handover.tenant);
    return await this.call(async () => await closeOffer(here, handover.offer, closing, tombstoneMs));
  }

  /** What is on offer still is kept, however old: a shard may have been away. */
  private async forgetClaims(tenant: TenantRef, shard: number, old: OldClaim[]): Promise<void> {
    const { client } = this.context(tenant, shard);
    const done: string[] = [];
    for (const from of new Set(old.map((claimed) => claimed.from))) {
      const ofShard = old.filter((claimed) => claimed.from === from);
      const { offers } = shardKeys(tenant, from);
      const left = await this.call(
        async () => await client.hmget(offers, ...ofShard.map(({ sessionId }) => sessionId)),
      );
      done.push(...ofShard.filter(({ token }, i) => !isOffer(left[i], token)).map(({ member }) => member));
    }
    if (done.length > 0) {
      await this.call(async () => await client.zrem(shardKeys(tenant, shard).claims, ...done));
    }
  }

  private context(tenant: TenantRef, shard: number): ShardContext {
    return this.options.contextOf(tenant, shard);
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

/** 48 random bits: enough to tell the handovers of one session apart. */
export function newToken(): number {
  return randomInt(1, MAX_TOKENS);
}

/** The session under which it is claimed: a new id begins with its first attempt. */
function claimedOf({ offer: { sessionId, attempt, to } }: Crossing) {
  return to.newId === undefined ? { sessionId, attempt } : { sessionId: to.newId, attempt: 1 };
}

function totalsOf({ channels, ...session }: Session): TrafficTotals {
  const { bytesSent, bytesReceived, packetsSent, packetsReceived } = session;
  const counted = Object.entries({ bytesSent, bytesReceived, packetsSent, packetsReceived }).filter(([, n]) => n > 0);
  return { ...Object.fromEntries(counted), ...(channels.length > 0 && { channels }) };
}
