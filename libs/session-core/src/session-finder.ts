import { AmbiguousSessionError } from './errors.js';
import { shardKeys, shardNumbers, shardOf, type TenantRef } from './keys.js';
import type { FoundSession } from './model/decision.js';
import type { SessionRef } from './model/session.js';
import { get } from './scripts/get.script.js';
import type { ShardContext } from './scripts/script.js';
import { withDeadline } from './store-call.js';

export interface SessionFinderOptions {
  deadlineMs: number;
  contextOf: (tenant: TenantRef, shard: number) => ShardContext;
}

/** A session that is found twice is looked for again: between the looks a handover ends. */
const MAX_LOOKS = 3;

/** In which shards of a tenant a session is, or may be. Each method throws StoreUnavailableError when Redis gives no answer in time. */
export class SessionFinder {
  constructor(private readonly options: SessionFinderOptions) {}

  /** One shard: there. With a user: in the user's. Else: wherever the id is found, or anywhere if it is nowhere. */
  async shardsOf(tenant: TenantRef, ref: SessionRef): Promise<number[]> {
    if (tenant.shards === 1) return [0];
    if (ref.user !== undefined) return [shardOf(tenant, ref.user)];
    const { live, ended } = await this.find(tenant, ref.sessionId);
    if (live.length > 0) return live.map(({ shard }) => shard);
    return ended.length > 0 ? ended : shardNumbers(tenant);
  }

  /** Where a session is that may be on its way to another shard: the one that it has not left yet. */
  async shardToLeave(tenant: TenantRef, ref: SessionRef): Promise<number> {
    if (tenant.shards === 1 || ref.user !== undefined) return (await this.shardsOf(tenant, ref))[0] ?? 0;
    const { leaving, live, ended } = await this.find(tenant, ref.sessionId);
    return leaving[0] ?? live[0]?.shard ?? ended[0] ?? 0;
  }

  /** Where an end has something to do, or has to be remembered. */
  async shardsToEnd(
    tenant: TenantRef,
    ref: SessionRef,
    { attempt, by }: { attempt?: number | undefined; by: 'node' | 'berth' },
  ): Promise<number[]> {
    if (tenant.shards === 1 || ref.user !== undefined) return await this.shardsOf(tenant, ref);
    const { live, leaving, ended } = await this.find(tenant, ref.sessionId);
    const covered = live.filter((found) => by === 'berth' || attempt === undefined || found.attempt >= attempt);
    if (covered.length > 0) return [...covered.map(({ shard }) => shard), ...leaving];
    return by === 'berth' && ended.length > 0 ? ended : shardNumbers(tenant);
  }

  /**
   * In which shards the id lives (in one at most, else the caller has to name the user), and in which it has ended. Looks again where it is
   * found twice: it may have been on its way from one shard to the other.
   */
  private async find(tenant: TenantRef, sessionId: string) {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const outcomes = await Promise.all(
        shardNumbers(tenant).map((shard) =>
          this.call(async () => await get(this.options.contextOf(tenant, shard), { sessionId })),
        ),
      );
      const found = outcomes.flatMap((outcome, shard) =>
        outcome.kind === 'live' || outcome.kind === 'unreadable' ? [{ shard, attempt: attemptOf(outcome) }] : [],
      );
      const leaving = found.length > 1 ? await this.leaving(tenant, sessionId, found) : [];
      const live = found.filter(({ shard }) => !leaving.includes(shard));
      if (live.length === Math.min(found.length, 1)) return { live, leaving, ended: knowingFirst(outcomes) };
    }
    throw new AmbiguousSessionError(sessionId);
  }

  /** Between two steps of a handover a session is in two shards; it counts as where it goes to. */
  private async leaving(tenant: TenantRef, sessionId: string, found: { shard: number }[]): Promise<number[]> {
    const offered = await Promise.all(
      found.map(({ shard }) =>
        this.call(
          async () =>
            await this.options.contextOf(tenant, shard).client.hexists(shardKeys(tenant, shard).offers, sessionId),
        ),
      ),
    );
    return found.flatMap(({ shard }, i) => (offered[i] === 1 ? [shard] : []));
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

/** Of a record that cannot be decoded any attempt may be meant. */
function attemptOf(found: Extract<FoundSession, { kind: 'live' | 'unreadable' }>): number {
  return found.kind === 'live' ? found.session.attempt : Infinity;
}

/** The shards in which an id has ended; those that only know of its end, which is later than any start, come last. */
function knowingFirst(outcomes: FoundSession[]): number[] {
  const ended = outcomes.flatMap((outcome, shard) =>
    outcome.kind === 'ended' ? [{ shard, startedAtMs: outcome.session?.startedAtMs ?? Infinity }] : [],
  );
  return ended.toSorted((a, b) => a.startedAtMs - b.startedAtMs).map(({ shard }) => shard);
}
