import { StoreUnavailableError } from './errors.js';
import { futureEpoch } from './future-epoch.js';
import { CrossShardHandover, newToken, type CrossShardOptions } from './cross-shard-handover.js';
import { shardOf, type TenantRef } from './keys.js';
import type { SessionRef } from './model/session.js';
import type { TransferOutcome, TransferTarget } from './model/transfer.js';
import { authenticate } from './scripts/authenticate.script.js';
import { get } from './scripts/get.script.js';
import type { Handover, HandoverReply } from './scripts/handover.js';
import { transfer } from './scripts/transfer.script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf } from './tombstones.js';

export interface TransfersOptions extends CrossShardOptions {
  /** The shard that has a session, or any if none has. */
  locate: (tenant: TenantRef, ref: SessionRef) => Promise<number>;
}

/** Others may hand the same session over meanwhile, each time to another place. */
const TRIES = 8;

/**
 * Live sessions that get another user, node or id. Where the user's shard is another one this takes several steps; a process that
 * dies between them leaves an offer that the next call for the session, or `repair`, brings to its end. Until then the session counts
 * in both shards, never in none.
 */
export class Transfers {
  private readonly crossing: CrossShardHandover;

  constructor(private readonly options: TransfersOptions) {
    this.crossing = new CrossShardHandover(options);
  }

  /**
   * A session that was admitted without a user takes one, if that user has room. Repeatable: with the same user again it answers the
   * session as it is.
   *
   * Throws StoreUnavailableError when Redis gives no answer in time; the session may have its user then, and asking again is safe.
   */
  async authenticate(tenant: TenantRef, ref: SessionRef, user: string, attempt?: number): Promise<TransferOutcome> {
    return await this.handOver(tenant, ref, { kind: 'authenticated', user }, attempt);
  }

  /**
   * Hands a live session over. Its start, deadlines, totals and groups stay; with a new id the old one has ended, reason
   * `transferred`. Repeatable. Its old node gets no command.
   *
   * Throws StoreUnavailableError as `authenticate` does, and InvalidInputError for an epoch that would begin a run ahead of the clock of
   * Redis.
   */
  async transfer(
    tenant: TenantRef,
    ref: SessionRef,
    target: TransferTarget,
    attempt?: number,
  ): Promise<TransferOutcome> {
    const newId = target.newId === ref.sessionId ? undefined : target.newId;
    const to: Handover = { ...target, newId, kind: 'transferred' };
    const outcome = await this.handOver(tenant, ref, to, attempt);
    if (to.newId === undefined || (outcome.kind !== 'unknown' && outcome.kind !== 'ended')) return outcome;
    if (outcome.kind === 'ended' && outcome.session?.movedTo?.sessionId !== to.newId) return outcome;
    return await this.alreadyThere(tenant, outcome, to);
  }

  /** Brings handovers of a shard to their end that nobody has finished, at most `batch`. Any number at once. Returns how many. */
  async repair(tenant: TenantRef, shard: number, batch: number): Promise<number> {
    return tenant.shards === 1 ? 0 : await this.crossing.repair(tenant, shard, batch);
  }

  private async handOver(tenant: TenantRef, ref: SessionRef, to: Handover, attempt?: number): Promise<TransferOutcome> {
    let [at, whose] = [ref, ref];
    for (let tries = 0; tries < TRIES; tries++) {
      const from = await this.options.locate(tenant, at);
      const crosses = to.user !== undefined && shardOf(tenant, to.user) !== from;
      const reply = crosses
        ? await this.crossing.begin(tenant, from, whose, to, attempt)
        : await this.within(tenant, from, whose, to, attempt);
      if (reply.kind === 'offered') {
        await this.crossing.resume(tenant, from, ref.sessionId);
      } else if (reply.kind === 'no-limits') {
        await this.call(async () => await this.options.limits.publish(tenant));
      } else if (reply.kind === 'ended' && reply.session?.movedTo?.sessionId === ref.sessionId) {
        [at, whose] = [reply.session.movedTo, { sessionId: ref.sessionId }]; // it left the shard under the same id
      } else {
        return outcomeOf(reply);
      }
    }
    throw new StoreUnavailableError(`Session ${ref.sessionId} is being handed over by others; try again`);
  }

  private async within(
    tenant: TenantRef,
    shard: number,
    ref: SessionRef,
    to: Handover,
    attempt?: number,
  ): Promise<HandoverReply> {
    const tombstoneMs = tombstoneOf(this.options, tenant);
    const context = this.options.contextOf(tenant, shard);
    return await this.call(async () =>
      to.kind === 'authenticated'
        ? await authenticate(context, {
            sessionId: ref.sessionId,
            named: ref.user,
            attempt,
            user: to.user ?? '',
            tombstoneMs,
          })
        : await transfer(context, { ...ref, attempt, to, tombstoneMs, token: newToken() }),
    );
  }

  /** The old id is over; a repeated transfer finds the session under the new one. */
  private async alreadyThere(tenant: TenantRef, gone: TransferOutcome, to: Handover): Promise<TransferOutcome> {
    const movedTo = gone.kind === 'ended' ? gone.session?.movedTo : undefined;
    const ref = { sessionId: to.newId ?? '', user: movedTo?.user ?? to.user };
    const shard = await this.options.locate(tenant, ref.user === '' ? { sessionId: ref.sessionId } : ref);
    const found = await this.call(
      async () => await get(this.options.contextOf(tenant, shard), { sessionId: ref.sessionId }),
    );
    if (found.kind !== 'live') return gone;
    const { node, epoch, user } = found.session;
    const same =
      node === to.node && (to.epoch === null || epoch === to.epoch) && (to.user === undefined || user === to.user);
    return same ? { kind: 'live', changed: false, session: found.session, limits: [], terminated: [] } : gone;
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

function outcomeOf(reply: Exclude<HandoverReply, { kind: 'offered' | 'no-limits' }>): TransferOutcome {
  switch (reply.kind) {
    case 'conflict':
      return { kind: 'id-conflict' };
    case 'id-taken':
      return { kind: 'new-id-taken' };
    case 'id-ended':
      return { kind: 'new-id-ended' };
    case 'future-epoch':
      throw futureEpoch(reply.epoch, reply.nowMs);
    default:
      return reply;
  }
}
