import { shardKeys, shardNumbers, shardOf, type ShardKeys, type TenantRef } from './keys.js';
import { readLimitStates, type LimitState } from './model/limit.js';
import type { Session } from './model/session.js';
import type { Listed } from './scripts/list.script.js';
import type { StoreClient } from './scripts/script.js';
import { scoresOf } from './scans.js';
import { SessionPages, type SessionFilter, type SessionPage } from './session-pages.js';
import { withDeadline } from './store-call.js';

export interface GroupCount {
  /** `kind:name` */
  group: string;
  activeSessions: number;
}

export interface UserCount {
  user: string;
  activeSessions: number;
}

/** A refusal as the rejections stream keeps it. */
export interface Refusal {
  atMs: number;
  sessionId: string;
  limits: LimitState[];
}

/** How many of the latest refusals of a shard are searched for one user's. */
const REFUSALS_SEARCHED = 1000;
const REFUSALS_PER_READ = 200;
const USERS_PER_READ = 1000;

/** Reads the books for people: lists and counts that open to the sessions behind them. Decides nothing. */
export class Books {
  private readonly pages: SessionPages;

  /** `deadlineMs` is that of each command: no list has one of its own. */
  constructor(
    private readonly client: StoreClient,
    private readonly deadlineMs: number,
  ) {
    this.pages = new SessionPages(client, (call) => this.read(call));
  }

  /** A page of live sessions; see `SessionPages`. */
  async sessions(tenant: TenantRef, filter: SessionFilter, cursor: string | null, limit: number): Promise<SessionPage> {
    return await this.pages.page(tenant, filter, cursor, limit);
  }

  /** Every live session, piece by piece, each at least once. */
  allSessions(tenant: TenantRef): AsyncGenerator<Session[], void> {
    return this.pages.all(tenant);
  }

  /** The live sessions with these ids, in whichever shards they are; apart those whose record cannot be decoded. */
  async sessionsNamed(tenant: TenantRef, ids: string[]): Promise<Listed> {
    const found: Listed = { sessions: [], unreadable: [] };
    for (const shard of shardNumbers(tenant)) {
      const { sessions, unreadable } = await this.pages.records(this.pages.context(tenant, shard), ids);
      found.sessions.push(...sessions);
      found.unreadable.push(...unreadable);
    }
    return found;
  }

  /** The ids of a user's live sessions, oldest first. */
  async sessionIdsOfUser(tenant: TenantRef, user: string): Promise<string[]> {
    const keys = shardKeys(tenant, shardOf(tenant, user));
    return await this.read(async () => await this.client.zrange(keys.userSessions(user), '0', '-1'));
  }

  /** When the newest live session of a user started, milliseconds; null without one. */
  async newestStartOfUser(tenant: TenantRef, user: string): Promise<number | null> {
    const key = shardKeys(tenant, shardOf(tenant, user)).userSessions(user);
    const [, start] = await this.read(async () => await this.client.zrange(key, '0', '0', 'REV', 'WITHSCORES'));
    return start === undefined ? null : Number(start);
  }

  /** The ids of at most `limit` live sessions of a user that started no later than `latestMs`, oldest first. */
  async oldestOfUser(tenant: TenantRef, user: string, latestMs: number, limit: number): Promise<string[]> {
    const key = shardKeys(tenant, shardOf(tenant, user)).userSessions(user);
    return await this.read(
      async () => await this.client.zrange(key, '-inf', `${latestMs}`, 'BYSCORE', 'LIMIT', '0', `${limit}`),
    );
  }

  async countOfUser(tenant: TenantRef, user: string): Promise<number> {
    const keys = shardKeys(tenant, shardOf(tenant, user));
    return await this.read(async () => await this.client.zcard(keys.userSessions(user)));
  }

  /** The latest session of a user that is live, or null. */
  async newestOfUser(tenant: TenantRef, user: string): Promise<Session | null> {
    const shard = shardOf(tenant, user);
    const key = shardKeys(tenant, shard).userSessions(user);
    const ids = await this.read(async () => await this.client.zrange(key, '0', '0', 'REV'));
    const listed = await this.pages.records(this.pages.context(tenant, shard), ids);
    return listed.sessions[0] ?? null;
  }

  /** Every live session of the tenant, counted. */
  async total(tenant: TenantRef): Promise<number> {
    return await this.sumOverShards(tenant, (keys) => this.client.zcard(keys.deadlines));
  }

  /** How many users have live sessions, and how many sessions those are together. */
  async totalOfUsers(tenant: TenantRef): Promise<{ users: number; sessions: number }> {
    const total = { users: 0, sessions: 0 };
    for (const shard of shardNumbers(tenant)) {
      const { users } = shardKeys(tenant, shard);
      total.users += await this.read(async () => await this.client.zcard(users));
      total.sessions += await this.sumOfCounts(users);
    }
    return total;
  }

  /** The live sessions that are due by `byMs`, in each shard the soonest first: at most `limit` of them, and whether there are more. */
  async dueBy(tenant: TenantRef, byMs: number, limit: number): Promise<{ sessions: Session[]; more: boolean }> {
    const sessions: Session[] = [];
    let more = false;
    for (const shard of shardNumbers(tenant)) {
      const key = shardKeys(tenant, shard).deadlines;
      const room = limit - sessions.length;
      const ids = await this.read(
        async () => await this.client.zrange(key, '-inf', `${byMs}`, 'BYSCORE', 'LIMIT', '0', `${room + 1}`),
      );
      const listed = await this.pages.records(this.pages.context(tenant, shard), ids.slice(0, room));
      sessions.push(...listed.sessions);
      more ||= ids.length > room;
    }
    return { sessions, more };
  }

  /** The users with the most live sessions, at most `limit` of them, most first. */
  async topUsers(tenant: TenantRef, limit: number): Promise<UserCount[]> {
    if (limit <= 0) return [];
    const parts = await Promise.all(
      shardNumbers(tenant).map((shard) => this.usersOfShard(tenant, shard, 0, limit - 1)),
    );
    return parts
      .flat()
      .toSorted((a, b) => b.activeSessions - a.activeSessions || (a.user < b.user ? -1 : 1))
      .slice(0, limit);
  }

  /** How many users have live sessions. */
  async countOfUsers(tenant: TenantRef): Promise<number> {
    return await this.sumOverShards(tenant, (keys) => this.client.zcard(keys.users));
  }

  /** Every user with live sessions. One who has some all the time is there, whatever changes meanwhile. */
  async users(tenant: TenantRef): Promise<UserCount[]> {
    const counts = await this.countsOf(tenant, (keys) => keys.users);
    return [...counts].map(([user, activeSessions]) => ({ user, activeSessions }));
  }

  /** Every group with live sessions, or every one of a kind, as for users. */
  async groups(tenant: TenantRef, kind: string | null = null): Promise<GroupCount[]> {
    // A kind has no character that means anything in a pattern.
    const counts = await this.countsOf(tenant, (keys) => keys.groups, kind === null ? '*' : `${kind}:*`);
    return [...counts].map(([group, activeSessions]) => ({ group, activeSessions }));
  }

  /** `group` is `kind:name`. */
  async countOfGroup(tenant: TenantRef, group: string): Promise<number> {
    return await this.sumOverShards(tenant, (keys) => this.client.zcard(keys.groupSessions(group)));
  }

  /** The user's latest refusal among the newest 1,000 of its shard, or null. */
  async lastRefusal(tenant: TenantRef, user: string): Promise<Refusal | null> {
    const key = shardKeys(tenant, shardOf(tenant, user)).rejections;
    for (let end = '+', looked = 0; looked < REFUSALS_SEARCHED; looked += REFUSALS_PER_READ) {
      const from = end;
      const entries = await this.read(
        async () => await this.client.xrevrange(key, from, '-', 'COUNT', REFUSALS_PER_READ),
      );
      for (const [, flat] of entries) {
        const fields = new Map(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
        if (fields.get('user') === user) {
          const limits = readLimitStates(fields.get('limits') ?? '[]');
          return { atMs: Number(fields.get('at')), sessionId: fields.get('sessionId') ?? '', limits };
        }
      }
      const last = entries.at(-1)?.[0];
      if (last === undefined || entries.length < REFUSALS_PER_READ) break;
      end = `(${last}`;
    }
    return null;
  }

  /** Names and their numbers of sessions in all shards. */
  private async countsOf(
    tenant: TenantRef,
    keyOf: (keys: ShardKeys) => string,
    pattern = '*',
  ): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const shard of shardNumbers(tenant)) {
      const key = keyOf(shardKeys(tenant, shard));
      const ofShard = await scoresOf(this.client, key, (call) => this.read(call), pattern);
      if (tenant.shards === 1) return ofShard;
      for (const [name, count] of ofShard) counts.set(name, (counts.get(name) ?? 0) + count);
    }
    return counts;
  }

  private async sumOverShards(tenant: TenantRef, count: (keys: ShardKeys) => Promise<number>): Promise<number> {
    const counts = shardNumbers(tenant).map((shard) => this.read(async () => await count(shardKeys(tenant, shard))));
    return (await Promise.all(counts)).reduce((sum, one) => sum + one, 0);
  }

  private async usersOfShard(tenant: TenantRef, shard: number, from: number, to: number): Promise<UserCount[]> {
    const counts = await this.countsOfShard(shardKeys(tenant, shard).users, from, to);
    return counts.map(([user, activeSessions]) => ({ user, activeSessions }));
  }

  /** Names and their numbers of sessions, most first. */
  private async countsOfShard(key: string, from: number, to: number): Promise<[string, number][]> {
    const flat = await this.read(async () => await this.client.zrange(key, `${from}`, `${to}`, 'REV', 'WITHSCORES'));
    return flat.flatMap((name, i): [string, number][] => (i % 2 === 0 ? [[name, Number(flat[i + 1])]] : []));
  }

  /**
   * The numbers of a list of counts, added up. Of long lists the largest are read, and of the others only how many have one or more, two or
   * more, and so on: those numbers add up to the same.
   */
  private async sumOfCounts(key: string): Promise<number> {
    const largest = await this.countsOfShard(key, 0, USERS_PER_READ - 1);
    const least = largest.length < USERS_PER_READ ? 0 : (largest.at(-1)?.[1] ?? 0);
    const steps = Array.from({ length: least }, (_, i) => `${i + 1}`);
    const have = await Promise.all(
      steps.map((step) => this.read(async () => await this.client.zcount(key, step, '+inf'))),
    );
    return [...largest.map(([, count]) => count - least), ...have].reduce((sum, count) => sum + count, 0);
  }

  private async read<T>(call: () => Promise<T>): Promise<T> {
    return await withDeadline(this.deadlineMs, call);
  }
}
