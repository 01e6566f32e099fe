import { InvalidInputError } from './errors.js';
import { shardKeys, shardNumbers, shardOf, type TenantRef } from './keys.js';
import { readLimitStates, type LimitState } from './model/limit.js';
import type { Session } from './model/session.js';
import { list } from './scripts/list.script.js';
import type { StoreClient } from './scripts/script.js';
import { scanPage, type ScannedPage, type ScanPosition } from './scan-page.js';
import { withDeadline } from './store-call.js';

export interface SessionFilter {
  user?: string | undefined;
  node?: string | undefined;
  /** `kind:name` */
  group?: string | undefined;
}

export interface SessionPage {
  sessions: Session[];
  /** Opaque; null when there is nothing more. */
  nextCursor: string | null;
}

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
const USERS_PER_READ = 1000;
/** So many within one deadline. */
const NAMED_PER_READ = 100;
/** A filter that finds little must not make one page read all books: the caller goes on with the cursor. */
const READS_PER_PAGE = 50;

/** Reads the books for people: lists and counts that open to the sessions behind them. Decides nothing. */
export class Books {
  constructor(
    private readonly client: StoreClient,
    private readonly deadlineMs: number,
  ) {}

  /**
   * A page of live sessions, `limit` of them or a few more; fewer, even none, where the filter finds little. Each session
   * that lives from the first page to the last is in exactly one page while the books are smaller than 1,000 sessions,
   * above that in at least one.
   * Throws InvalidInputError for a cursor that no page gave.
   */
  async sessions(tenant: TenantRef, filter: SessionFilter, cursor: string | null, limit: number): Promise<SessionPage> {
    const shards = filter.user === undefined ? tenant.shards : 1;
    let position: Position | null = cursor === null ? { part: 0, scan: null } : readCursor(cursor);
    const sessions: Session[] = [];
    for (let reads = 0; position !== null && sessions.length < limit && reads < READS_PER_PAGE; reads++) {
      const { part, scan }: Position = position;
      if (part >= shards) throw badCursor();
      const shard = filter.user === undefined ? part : shardOf(tenant, filter.user);
      const context = { client: this.client, tenant: tenant.name, shards: tenant.shards, shard };
      const key = this.indexOf(tenant, shard, filter);
      const wanted = limit - sessions.length;
      const page: ScannedPage = await this.read(async () => await scanPage(this.client, key, scan, wanted));
      const found = await this.read(async () => await list(context, page.ids));
      sessions.push(...found.filter((session) => matches(session, filter)));
      position = page.next === null ? nextPart(part, shards) : { part, scan: page.next };
    }
    return { sessions, nextCursor: position === null ? null : writeCursor(position) };
  }

  /** The live sessions with these ids, in whichever shards they are. */
  async sessionsNamed(tenant: TenantRef, ids: string[]): Promise<Session[]> {
    const found: Session[] = [];
    for (const shard of shardNumbers(tenant)) {
      const context = { client: this.client, tenant: tenant.name, shards: tenant.shards, shard };
      for (let from = 0; from < ids.length; from += NAMED_PER_READ) {
        found.push(...(await this.read(async () => await list(context, ids.slice(from, from + NAMED_PER_READ)))));
      }
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
    return await this.read(async () => {
      const ids = await this.client.zrange(key, '0', '0', 'REV');
      const [newest] = await list({ client: this.client, tenant: tenant.name, shards: tenant.shards, shard }, ids);
      return newest ?? null;
    });
  }

  /** Every live session of the tenant, counted. */
  async total(tenant: TenantRef): Promise<number> {
    const counts = await Promise.all(
      shardNumbers(tenant).map((shard) =>
        this.read(async () => await this.client.zcard(shardKeys(tenant, shard).deadlines)),
      ),
    );
    return counts.reduce((sum, count) => sum + count, 0);
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
      const context = { client: this.client, tenant: tenant.name, shards: tenant.shards, shard };
      sessions.push(...(await this.read(async () => await list(context, ids.slice(0, room)))));
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

  /** Every user with live sessions. */
  async users(tenant: TenantRef): Promise<UserCount[]> {
    const all: UserCount[] = [];
    for (const shard of shardNumbers(tenant)) {
      for (let from = 0; ; from += USERS_PER_READ) {
        const part = await this.usersOfShard(tenant, shard, from, from + USERS_PER_READ - 1);
        all.push(...part);
        if (part.length < USERS_PER_READ) break;
      }
    }
    return [...new Map(all.map((entry) => [entry.user, entry])).values()];
  }

  /** Every group with live sessions. */
  async groups(tenant: TenantRef): Promise<GroupCount[]> {
    const counts = new Map<string, number>();
    for (const shard of shardNumbers(tenant)) {
      for (let from = 0; ; from += USERS_PER_READ) {
        const part = await this.countsOfShard(shardKeys(tenant, shard).groups, from, from + USERS_PER_READ - 1);
        for (const [group, count] of part) counts.set(group, (counts.get(group) ?? 0) + count);
        if (part.length < USERS_PER_READ) break;
      }
    }
    return [...counts].map(([group, activeSessions]) => ({ group, activeSessions }));
  }

  /** `group` is `kind:name`. */
  async countOfGroup(tenant: TenantRef, group: string): Promise<number> {
    const counts = shardNumbers(tenant).map((shard) =>
      this.read(async () => await this.client.zcard(shardKeys(tenant, shard).groupSessions(group))),
    );
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** The user's latest refusal among the newest 1,000 of its shard, or null. */
  async lastRefusal(tenant: TenantRef, user: string): Promise<Refusal | null> {
    const key = shardKeys(tenant, shardOf(tenant, user)).rejections;
    const entries = await this.read(async () => await this.client.xrevrange(key, '+', '-', 'COUNT', REFUSALS_SEARCHED));
    for (const [, flat] of entries) {
      const fields = new Map(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])));
      if (fields.get('user') === user) {
        const limits = readLimitStates(fields.get('limits') ?? '[]');
        return { atMs: Number(fields.get('at')), sessionId: fields.get('sessionId') ?? '', limits };
      }
    }
    return null;
  }

  private indexOf(tenant: TenantRef, shard: number, { user, group }: SessionFilter): string {
    const keys = shardKeys(tenant, shard);
    if (user !== undefined) return keys.userSessions(user);
    return group === undefined ? keys.deadlines : keys.groupSessions(group);
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
    const have = await this.read(() => Promise.all(steps.map((step) => this.client.zcount(key, step, '+inf'))));
    return [...largest.map(([, count]) => count - least), ...have].reduce((sum, count) => sum + count, 0);
  }

  private async read<T>(call: () => Promise<T>): Promise<T> {
    return await withDeadline(this.deadlineMs, call);
  }
}

function matches(session: Session, filter: SessionFilter): boolean {
  return (
    (filter.user === undefined || session.user === filter.user) &&
    (filter.node === undefined || session.node === filter.node) &&
    (filter.group === undefined || session.groups.includes(filter.group))
  );
}

interface Position {
  part: number;
  scan: ScanPosition | null;
}

function nextPart(part: number, parts: number): Position | null {
  return part + 1 < parts ? { part: part + 1, scan: null } : null;
}

function badCursor(): InvalidInputError {
  return new InvalidInputError(
    'cursor',
    'This cursor is not one that a page of this list gave; start without a cursor',
  );
}

function writeCursor({ part, scan }: Position): string {
  return Buffer.from(JSON.stringify([part, scan?.cursor ?? null, scan?.after ?? null])).toString('base64url');
}

/** Redis reads it as an unsigned number of 64 bits. */
function isScanCursor(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) < 2n ** 64n;
}

function readCursor(text: string): Position {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw badCursor();
  }
  if (!Array.isArray(parsed) || parsed.length !== 3) throw badCursor();
  const [part, cursor, after] = parsed as [unknown, unknown, unknown];
  if (!Number.isSafeInteger(part) || (part as number) < 0) throw badCursor();
  if (cursor !== null && (typeof cursor !== 'string' || !isScanCursor(cursor))) throw badCursor();
  if (after !== null && typeof after !== 'string') throw badCursor();
  return { part: part as number, scan: cursor === null && after === null ? null : { cursor, after } };
}
