import { randomInt } from 'node:crypto';
import { AmbiguousSessionError, StoreUnavailableError } from './errors.js';
import { shardNumbers, shardOf, type TenantRef } from './keys.js';
import { LimitsStore } from './limits-store.js';
import type { AdmissionRequest, AdmissionToken, Decision, SessionOutcome } from './model/decision.js';
import type { EndReason, SessionRef, TrafficTotals } from './model/session.js';
import { admit } from './scripts/admit.script.js';
import { confirm } from './scripts/confirm.script.js';
import { end, type EndOutcome } from './scripts/end.script.js';
import { get } from './scripts/get.script.js';
import { renew } from './scripts/renew.script.js';
import type { ShardContext, StoreClient } from './scripts/script.js';
import { sweep, type Sweep } from './scripts/sweep.script.js';
import { withDeadline } from './store-call.js';
import { Withdrawals } from './withdrawals.js';

export interface SessionStoreOptions {
  client: StoreClient;
  /** How long a call may take before it counts as an outage, milliseconds. */
  deadlineMs: number;
  /** How long an ending that the node reported is remembered, milliseconds. */
  tombstoneMs: number;
  /** Sets the time in tests; everywhere else Redis says it. */
  clockMs?: (() => number) | undefined;
}

export interface EndRequest {
  attempt?: number | undefined;
  reason: EndReason;
  note?: string | undefined;
  by: 'node' | 'berth';
}

/** An admission together with the means to take it back. */
export interface OwnedDecision {
  decision: Decision;
  /** Proof of ownership for `withdrawLater`; of use only where the decision is `admitted`. */
  token: AdmissionToken;
}

/** A token is 32 random bits: it only has to differ from the other tokens of the same session. */
const TOKEN_LIMIT = 2 ** 32;

/** A check owns nothing; 0 would be that of a record whose token was never refused. */
const NO_TOKEN = -1;

/**
 * The books: who is aboard, in all shards of all tenants. Every method is one atomic script per shard and idempotent by
 * session id; each throws StoreUnavailableError when Redis gives no answer within the deadline.
 */
export class SessionStore {
  readonly limits: LimitsStore;
  readonly withdrawals: Withdrawals;

  constructor(private readonly options: SessionStoreOptions) {
    this.limits = new LimitsStore(options.client, options.deadlineMs);
    this.withdrawals = new Withdrawals((tenant, shard) => this.context(tenant, shard), options.deadlineMs);
  }

  /**
   * May this session start? If so it is on the books when this returns.
   *
   * When this fails (no answer in time, or one that cannot be read) nothing is known to be decided; the admission is then
   * withdrawn in the background until that has worked, so that it holds no place unless it is asked again.
   */
  async admit(tenant: TenantRef, request: AdmissionRequest): Promise<OwnedDecision> {
    const token = randomInt(1, TOKEN_LIMIT);
    try {
      return { decision: await this.decide(tenant, request, token, false), token };
    } catch (error) {
      const certain = error instanceof StoreUnavailableError && error.nothingDone;
      if (!certain) this.withdrawLater(tenant, request, token);
      throw error;
    }
  }

  /** What `admit` would answer now, without doing it. */
  async check(tenant: TenantRef, request: AdmissionRequest): Promise<Decision> {
    return await this.decide(tenant, request, NO_TOKEN, true);
  }

  /** Takes an admission back whose answer could not be delivered: at once, and again until it has worked. */
  withdrawLater(
    tenant: TenantRef,
    request: Pick<AdmissionRequest, 'sessionId' | 'attempt' | 'user'>,
    token: AdmissionToken,
  ): void {
    const { sessionId, attempt, user } = request;
    this.withdrawals.add(tenant.name, shardOf(tenant, user), {
      sessionId,
      attempt,
      token,
      rememberedMs: this.options.tombstoneMs,
    });
  }

  async confirm(tenant: TenantRef, ref: SessionRef, attempt?: number): Promise<SessionOutcome> {
    return await this.whereItLives(tenant, ref, (context) => confirm(context, ref.sessionId, attempt));
  }

  async renew(
    tenant: TenantRef,
    ref: SessionRef,
    totals: TrafficTotals = {},
    attempt?: number,
  ): Promise<SessionOutcome> {
    return await this.whereItLives(tenant, ref, (context) => renew(context, ref.sessionId, totals, attempt));
  }

  async get(tenant: TenantRef, ref: SessionRef): Promise<SessionOutcome> {
    return await this.whereItLives(tenant, ref, (context) => get(context, ref.sessionId));
  }

  /**
   * Ends a session. An end that its node reports is told to every shard where an attempt that it covers may still arrive, so that
   * it is refused there.
   */
  async end(tenant: TenantRef, ref: SessionRef, request: EndRequest): Promise<EndOutcome> {
    const { attempt, reason, note = '', by } = request;
    const { tombstoneMs } = this.options;
    const ending = { sessionId: ref.sessionId, attempt, reason, note, by, tombstoneMs };
    const shards = await this.shardsToEnd(tenant, ref, request);
    const outcomes = await Promise.all(
      shards.map((shard) => this.call(async () => await end(this.context(tenant.name, shard), ending))),
    );
    const telling = ['now', 'superseded', 'before'].map((kind) => outcomes.find((outcome) => outcome.kind === kind));
    return telling.find((outcome) => outcome !== undefined) ?? { kind: 'unknown' };
  }

  /** Ends at most `batch` due sessions of one shard. Not bounded by the decision deadline: it is nobody's request. */
  async sweep(tenant: TenantRef, shard: number, batch: number): Promise<Sweep> {
    return await sweep(this.context(tenant.name, shard), batch);
  }

  private async decide(
    tenant: TenantRef,
    request: AdmissionRequest,
    token: AdmissionToken,
    dryRun: boolean,
  ): Promise<Decision> {
    const context = this.context(tenant.name, shardOf(tenant, request.user));
    const options = { token, dryRun, tombstoneMs: this.options.tombstoneMs };
    return await this.call(async () => {
      const decision = await admit(context, request, options);
      if (decision.kind !== 'no-limits') return decision;
      await this.limits.publish(tenant);
      const again = await admit(context, request, options);
      if (again.kind !== 'no-limits') return again;
      throw new StoreUnavailableError(`The limits of tenant ${tenant.name} could not be published`);
    });
  }

  /** One shard: there. With a hint: in the user's. Else: wherever the id is found, or anywhere if it is nowhere. */
  private async whereItLives(
    tenant: TenantRef,
    ref: SessionRef,
    verb: (context: ShardContext) => Promise<SessionOutcome>,
  ): Promise<SessionOutcome> {
    const [shard = 0] = await this.shardsOf(tenant, ref);
    return await this.call(async () => await verb(this.context(tenant.name, shard)));
  }

  private async shardsOf(tenant: TenantRef, ref: SessionRef): Promise<number[]> {
    if (tenant.shards === 1) return [0];
    if (ref.user !== undefined) return [shardOf(tenant, ref.user)];
    const { live, ended } = await this.find(tenant, ref.sessionId);
    if (live.length > 0) return live.map(({ shard }) => shard);
    return ended.length > 0 ? ended : shardNumbers(tenant);
  }

  private async shardsToEnd(tenant: TenantRef, ref: SessionRef, { attempt, by }: EndRequest): Promise<number[]> {
    if (by === 'berth' || tenant.shards === 1 || ref.user !== undefined) return await this.shardsOf(tenant, ref);
    const { live } = await this.find(tenant, ref.sessionId);
    const covered = live.filter((found) => attempt === undefined || found.attempt >= attempt);
    return covered.length > 0 ? covered.map(({ shard }) => shard) : shardNumbers(tenant);
  }

  /** In which shards the id lives (in one at most, else the caller has to name the user), and in which it has ended. */
  private async find(tenant: TenantRef, sessionId: string) {
    const outcomes = await Promise.all(
      shardNumbers(tenant).map((shard) =>
        this.call(async () => await get(this.context(tenant.name, shard), sessionId)),
      ),
    );
    const live = outcomes.flatMap((outcome, shard) =>
      outcome.kind === 'live' ? [{ shard, attempt: outcome.session.attempt }] : [],
    );
    if (live.length > 1) throw new AmbiguousSessionError(sessionId);
    return { live, ended: outcomes.flatMap((outcome, shard) => (outcome.kind === 'ended' ? [shard] : [])) };
  }

  private context(tenant: string, shard: number): ShardContext {
    return { client: this.options.client, tenant, shard, clockMs: this.options.clockMs };
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}
