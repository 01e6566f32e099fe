import { shardKeys, shardNumbers, shardOf, type TenantRef } from '../keys.js';
import { renamedUser, type IdentityChange } from '../model/identity/index.js';
import type { EndReason } from '../model/session.js';
import { scanned } from '../scans.js';
import { StoreUnavailableError } from '../errors.js';
import { end } from '../scripts/end.script.js';
import {
  arrive,
  depart,
  LOOKED_AT_PER_CALL,
  lookOver,
  rename,
  RENAMED_PER_CALL,
  type Arrival,
  type Renaming,
  type SeenSession,
} from '../scripts/rekey.script.js';
import type { ShardContext } from '../scripts/script.js';
import { withDeadline } from '../store-call.js';
import type { RekeyReport } from './report.js';

export interface WalkOptions {
  deadlineMs: number;
  tombstoneMs: number;
  contextOf: (shard: number) => ShardContext;
  /** Before anything of a page is changed; throws where the run has to stop. */
  onPage: () => void;
}

/** Called with a session and the user under which it goes on. */
export type Settled = (session: SeenSession['session'], user: string) => void;

/** Every live session of a tenant, page by page, each given the user that it has under other rules. */
export class RekeyWalk {
  constructor(
    private readonly tenant: TenantRef,
    private readonly change: IdentityChange,
    private readonly report: RekeyReport,
    private readonly options: WalkOptions,
  ) {}

  /**
   * Looks at every session once, and gives those another user that need one; says of each what it is called now. Returns how many could not be
   * given theirs, because somebody changed them in between: with 0 all have the users that they are to have, since nobody else may write
   * names meanwhile.
   */
  async pass(settled: Settled): Promise<number> {
    const left = await Promise.all(shardNumbers(this.tenant).map((shard) => this.passShard(shard, settled)));
    return sum(left);
  }

  private async passShard(shard: number, settled: Settled): Promise<number> {
    const { deadlines } = shardKeys(this.tenant, shard);
    const context = this.options.contextOf(shard);
    let left = 0;
    const index = { key: deadlines, type: 'zset' } as const;
    for await (const ids of scanned(context.client, index, (call) => this.call(call))) {
      this.options.onPage();
      const renamings: Renaming[] = [];
      for (const seen of await this.look(context, [...new Set(ids)])) {
        const user = renamedUser(seen.session.user, seen.session.from, this.change);
        settled(seen.session, user);
        if (user !== seen.session.user) renamings.push({ seen, user });
      }
      left += await this.renameAll(shard, renamings);
    }
    return left;
  }

  private async look(context: ShardContext, ids: string[]): Promise<SeenSession[]> {
    const found: SeenSession[] = [];
    for (const some of pieces(ids, LOOKED_AT_PER_CALL)) {
      const seen = await this.call(() => lookOver(context, some)).catch(unlessAway);
      found.push(...(seen ?? (await this.lookOneByOne(context, some))));
    }
    return found;
  }

  /** One record that cannot be read must not keep the others. */
  private async lookOneByOne(context: ShardContext, ids: string[]): Promise<SeenSession[]> {
    const found: SeenSession[] = [];
    for (const id of ids) {
      const seen = await this.call(() => lookOver(context, [id])).catch(unlessAway);
      if (seen === null) this.report.unreadable.add(id);
      else found.push(...seen);
    }
    return found;
  }

  /** Returns how many have not got their users. */
  private async renameAll(shard: number, renamings: Renaming[]): Promise<number> {
    const byShard = new Map<number, Renaming[]>();
    for (const renaming of renamings) {
      const to = shardOf(this.tenant, renaming.user);
      byShard.set(to, [...(byShard.get(to) ?? []), renaming]);
    }
    const work = [...byShard].flatMap(([to, there]) =>
      [...pieces(there, RENAMED_PER_CALL)].map((some) =>
        to === shard ? this.rename(shard, some) : this.move(shard, to, some),
      ),
    );
    return sum(await Promise.all(work));
  }

  private async rename(shard: number, renamings: Renaming[]): Promise<number> {
    const renamed = await this.call(() => rename(this.options.contextOf(shard), renamings));
    this.report.renamed += renamed;
    return renamings.length - renamed;
  }

  /** In both shards for a moment, in none never; what is interrupted here the next pass goes through with. */
  private async move(from: number, to: number, renamings: Renaming[]): Promise<number> {
    const [here, there] = [this.options.contextOf(from), this.options.contextOf(to)];
    const { tombstoneMs } = this.options;
    const arrivals = await this.call(() => arrive(there, renamings));
    const arrived = renamings.filter((_, i) => arrivals[i] === 'here');
    for (const [i, { seen }] of renamings.entries()) {
      const word = arrivals[i];
      if (word !== undefined && word !== 'here') await this.end(here, seen, word);
    }
    if (arrived.length === 0) return 0;
    const departures = await this.call(() => depart(here, arrived, tombstoneMs));
    for (const [i, departure] of departures.entries()) {
      const { session } = arrived[i]!.seen;
      if (departure.kind === 'left') this.report.moved++;
      if (departure.kind !== 'over') continue;
      const { endReason: reason = 'completed', note = null, endedBy = null } = departure.session ?? {};
      const { id: sessionId, attempt } = session;
      const ending = { sessionId, attempt, reason, note: note ?? '', endedBy, tombstoneMs };
      await this.call(() => end(there, { ...ending, by: 'node' }));
    }
    return departures.filter(({ kind }) => kind === 'changed').length;
  }

  private async end(context: ShardContext, { session }: SeenSession, why: Exclude<Arrival, 'here'>) {
    const reason: EndReason = why === 'taken' ? 'evicted' : why;
    const note = why === 'taken' ? 'the identity rules have changed, and another session of its user has this id' : '';
    const by = why === 'taken' ? 'berth' : 'node';
    const { id: sessionId, attempt } = session;
    await this.call(() =>
      end(context, { sessionId, attempt, reason, note, by, tombstoneMs: this.options.tombstoneMs }),
    );
    this.report.ended.add(sessionId);
  }

  private async call<T>(verb: () => Promise<T>): Promise<T> {
    return await withDeadline(this.options.deadlineMs, verb);
  }
}

function unlessAway(error: unknown): null {
  if (error instanceof StoreUnavailableError) throw error;
  return null;
}

function sum(counts: number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function* pieces<T>(all: T[], size: number): Generator<T[]> {
  for (let from = 0; from < all.length; from += size) yield all.slice(from, from + size);
}
