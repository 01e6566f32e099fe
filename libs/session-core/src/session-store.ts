import { randomInt } from 'node:crypto';
import type { DecisionObserver } from './decision-observer.js';
import { Decisions, NO_TOKEN } from './decisions.js';
import { InvalidInputError, StoreUnavailableError } from './errors.js';
import { shardOf, type TenantRef } from './keys.js';
import { LimitsStore } from './limits-store.js';
import type { AdmissionRequest, AdmissionToken, Decision, FoundSession, SessionOutcome } from './model/decision.js';
import type { LimitKey } from './model/limit-key.js';
import { rateAddress } from './model/rate-address.js';
import type { EndReason, SessionRef, TrafficTotals } from './model/session.js';
import { confirm } from './scripts/confirm.script.js';
import { end, type EndOutcome, type Foreign } from './scripts/end.script.js';
import { get } from './scripts/get.script.js';
import { refuse, type ServerRefusal } from './scripts/refuse.script.js';
import { renew, totalArguments, type RenewOptions } from './scripts/renew.script.js';
import { SessionFinder } from './session-finder.js';
import type { ShardContext, StoreClient } from './scripts/script.js';
import { sweep, type Sweep } from './scripts/sweep.script.js';
import type { Trim } from './scripts/trim.script.js';
import { upkeep, type Upkeep } from './scripts/upkeep.script.js';
import { withDeadline } from './store-call.js';
import { tombstoneOf, type Tombstones } from './tombstones.js';
import { Transfers } from './transfers.js';
import { trimLimit } from './trims.js';
import { Withdrawals } from './withdrawals.js';

export interface SessionStoreOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  tombstoneMs: Tombstones;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
  observer?: DecisionObserver | undefined;
}

export interface EndRequest {
  attempt?: number | undefined;
  reason: EndReason;
  note?: string | undefined;
  by: 'node' | 'berth';
  /** The key or person that has it ended. */
  endedBy?: string | undefined;
  /** What the session came to; merged by maximum. */
  totals?: TrafficTotals | undefined;
}

/** An admission together with the means to take it back. */
export interface OwnedDecision {
  decision: Decision;
  /** Proof of ownership for `withdrawLater`; of use only where the decision is `admitted`. */
  token: AdmissionToken;
}

/** A token is 32 random bits: it only has to differ from the other tokens of the same session. */
const TOKEN_LIMIT = 2 ** 32;

/**
 * The books: the live sessions, in all shards of all tenants. Every method is one atomic script per shard and idempotent by
 * session id; each throws StoreUnavailableError when Redis gives no answer within the deadline.
 */
export class SessionStore {
  readonly limits: LimitsStore;
  readonly transfers: Transfers;
  readonly withdrawals: Withdrawals;
  private readonly finder: SessionFinder;
  private readonly decisions: Decisions;

  constructor(private readonly options: SessionStoreOptions) {
    this.limits = new LimitsStore(options.client, options.deadlineMs);
    const contextOf = (tenant: TenantRef, shard: number) => this.context(tenant, shard);
    this.finder = new SessionFinder({ deadlineMs: options.deadlineMs, contextOf });
    this.withdrawals = new Withdrawals(contextOf, options.deadlineMs);
    const { limits } = this;
    const locate = async (tenant: TenantRef, ref: SessionRef) => await this.finder.shardToLeave(tenant, ref);
    const { deadlineMs, tombstoneMs, observer } = options;
    this.decisions = new Decisions({ deadlineMs, tombstoneMs, observer, limits, contextOf });
    this.transfers = new Transfers({ deadlineMs, tombstoneMs, limits, contextOf, locate });
  }

  /**
   * May this session start? If so it is on the books when this returns.
   *
   * When this fails (no answer in time, or one that cannot be read) nothing is known to be decided; the admission is then
   * withdrawn in the background until that has worked, so that it holds no place unless it is asked again. Throws InvalidInputError,
   * and decides nothing, for an epoch that would begin a run ahead of the clock of Redis.
   */
  async admit(tenant: TenantRef, request: AdmissionRequest): Promise<OwnedDecision> {
    const token = randomInt(1, TOKEN_LIMIT);
    try {
      return { decision: await this.decisions.decide(tenant, request, token, 'admit'), token };
    } catch (error) {
      const certain =
        error instanceof InvalidInputError || (error instanceof StoreUnavailableError && error.nothingDone);
      if (!certain) this.withdrawLater(tenant, request, token);
      throw error;
    }
  }

  /** What `admit` would answer now, without doing it. */
  async check(tenant: TenantRef, request: AdmissionRequest): Promise<Decision> {
    return await this.decisions.decide(tenant, request, NO_TOKEN, 'check');
  }

  /**
   * The session has started, whether or not anybody was asked: it is on the books when this returns, over the limits if need be,
   * unless it has ended, or its node's run has.
   */
  async started(tenant: TenantRef, request: AdmissionRequest): Promise<Decision> {
    return await this.decisions.decide(tenant, request, randomInt(1, TOKEN_LIMIT), 'started');
  }

  /** Writes a refusal of a server beside those of the limits. */
  async recordRefusal(tenant: TenantRef, refusal: ServerRefusal): Promise<void> {
    await this.call(async () => await refuse(this.context(tenant, shardOf(tenant, refusal.user)), refusal));
  }

  /** Takes an admission back whose answer could not be delivered: at once, and again until it has worked. */
  withdrawLater(
    tenant: TenantRef,
    request: Pick<AdmissionRequest, 'sessionId' | 'attempt' | 'user' | 'facts'>,
    token: AdmissionToken,
  ): void {
    const { sessionId, attempt, user, facts } = request;
    this.withdrawals.add(tenant, shardOf(tenant, user), {
      sessionId,
      attempt,
      token,
      rememberedMs: tombstoneOf(this.options, tenant),
      address: rateAddress(facts.sourceIp),
    });
  }

  async confirm(tenant: TenantRef, ref: SessionRef, attempt?: number): Promise<SessionOutcome> {
    return await this.whereItLives(tenant, ref, (context, of) => confirm(context, of, attempt));
  }

  async renew(
    tenant: TenantRef,
    ref: SessionRef,
    totals: TrafficTotals = {},
    options: RenewOptions = {},
  ): Promise<SessionOutcome> {
    return await this.renewIn(tenant, await this.finder.shardsOf(tenant, ref), ref, totals, options);
  }

  async get(tenant: TenantRef, ref: SessionRef): Promise<FoundSession> {
    return await this.whereItLives(tenant, ref, get);
  }

  /**
   * Ends a session. An end that its node reports goes to every shard where an attempt that it covers may still arrive, so that
   * it is refused there: without a user that is any, with one that user's, and the one of sessions that have none yet.
   */
  async end(tenant: TenantRef, ref: SessionRef, request: EndRequest): Promise<EndOutcome> {
    const shards = await this.finder.shardsToEnd(tenant, ref, request);
    const outcome = await this.endIn(tenant, shards, ref, request);
    if (outcome.kind === 'foreign') return { kind: 'unknown' };
    const withoutUser = shardOf(tenant, '');
    if (outcome.kind !== 'unknown' || request.by !== 'node' || shards.includes(withoutUser)) return outcome;
    const there = await this.endIn(tenant, [withoutUser], ref, request);
    return there.kind === 'foreign' ? { kind: 'unknown' } : there;
  }

  /** Ends at most `batch` due sessions of one shard. Not bounded by the decision deadline: it is nobody's request. */
  async sweep(tenant: TenantRef, shard: number, batch: number): Promise<Sweep> {
    return await sweep(this.context(tenant, shard), batch);
  }

  /** Ends sessions that are above one limit, see `trimLimit`; `by` is who lowered it. Not bounded by the decision deadline. */
  async trim(tenant: TenantRef, key: LimitKey, batch: number, by: string): Promise<Trim> {
    return await trimLimit((of, shard) => this.context(of, shard), tenant, key, batch, by);
  }

  /** What a shard needs done once a second besides; see `upkeep.lua`. */
  async upkeep(tenant: TenantRef, shard: number, batch: number): Promise<Upkeep> {
    return await upkeep(this.context(tenant, shard), batch);
  }

  private async renewIn(
    tenant: TenantRef,
    shards: number[],
    ref: SessionRef,
    totals: TrafficTotals,
    options: RenewOptions,
  ): Promise<SessionOutcome> {
    // Where it does not live it may still start, or have ended: in each of these shards.
    const outcomes = await Promise.all(
      shards.map((shard) => this.call(async () => await renew(this.context(tenant, shard), ref, totals, options))),
    );
    const outcome = outcomes.find(({ kind }) => kind === 'live') ?? outcomes[0] ?? { kind: 'unknown' };
    const movedTo = outcome.kind === 'ended' ? outcome.session?.movedTo : null;
    if (!movedTo) return outcome;
    const { sessionId } = movedTo;
    if (sessionId !== ref.sessionId) {
      await this.passOn(tenant, movedTo, totals);
      return outcome;
    }
    return await this.renewIn(tenant, [shardOf(tenant, movedTo.user)], { sessionId }, totals, options);
  }

  /** What is reported of a session under an id that it had before a handover is its own; it is no sign of life. */
  private async passOn(
    tenant: TenantRef,
    { sessionId, user }: { sessionId: string; user: string },
    totals: TrafficTotals,
  ): Promise<void> {
    if (totalArguments(totals).length === 0) return;
    const late = { ...totals, channels: undefined };
    await this.renewIn(tenant, [shardOf(tenant, user)], { sessionId }, late, { atMs: 0 });
  }

  /** Ends a session in these shards, and where it has gone from there under the same id, with whatever user. */
  private async endIn(
    tenant: TenantRef,
    shards: number[],
    ref: SessionRef,
    request: EndRequest,
  ): Promise<EndOutcome | Foreign> {
    const ending = { ...request, ...ref, note: request.note ?? '', tombstoneMs: tombstoneOf(this.options, tenant) };
    const outcomes = await Promise.all(
      shards.map((shard) => this.call(async () => await end(this.context(tenant, shard), ending))),
    );
    const byKind = ['now', 'superseded', 'before', 'foreign'].map((kind) =>
      outcomes.find((outcome) => outcome.kind === kind),
    );
    const outcome = byKind.find((found) => found !== undefined) ?? { kind: 'unknown' };
    const movedTo = outcome.kind === 'before' ? outcome.session.movedTo : null;
    if (!movedTo) return outcome;
    const { sessionId } = movedTo;
    if (sessionId !== ref.sessionId) {
      await this.passOn(tenant, movedTo, request.totals ?? {});
      return outcome;
    }
    return await this.endIn(tenant, [shardOf(tenant, movedTo.user)], { sessionId }, request);
  }

  /** In the shard where it is found, and where it has gone from there under the same id. */
  private async whereItLives<Outcome extends FoundSession>(
    tenant: TenantRef,
    ref: SessionRef,
    verb: (context: ShardContext, ref: SessionRef) => Promise<Outcome>,
  ): Promise<Outcome> {
    let [[shard = 0], whose] = [await this.finder.shardsOf(tenant, ref), ref];
    for (;;) {
      const outcome = await this.call(async () => await verb(this.context(tenant, shard), whose));
      const movedTo = outcome.kind === 'ended' ? outcome.session?.movedTo : null;
      if (movedTo?.sessionId !== ref.sessionId) return outcome;
      [shard, whose] = [shardOf(tenant, movedTo.user), { sessionId: ref.sessionId }]; // with whatever user
    }
  }

  private context({ name, shards, identity }: TenantRef, shard: number): ShardContext {
    return { client: this.options.client, tenant: name, shards, shard, identity, clockMs: this.options.clockMs };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}
