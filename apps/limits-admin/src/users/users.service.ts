import { Injectable } from '@nestjs/common';

import type { TenantConfig } from '#config';
import { Books, type LimitState, type UserCount } from '#session-core';
import { rfc3339, sessionView, unreadableView, type SessionView, type UnreadableView } from '#session-wire';

import { pageInTurns } from '../in-turns.js';
import { userLimit } from '../limits/in-force.js';
import { LimitsService, type CurrentLimits } from '../limits/limits.service.js';
import { overridesOf } from '../limits/limits.view.js';
import { userLimitView, type UserLimitView } from '../limits/user-limit.view.js';
import type { UserQuery, UsersQuery, UserSort } from './users.schema.js';

export interface UserRow {
  username: string;
  activeSessions: number;
  /** 0: unlimited. */
  limit: number;
  /** When the newest live session started; null without one. */
  lastLogin: string | null;
  /** Where that session comes from. */
  ipAddress: string | null;
}

export interface UserPage {
  users: UserRow[];
  total: number;
  page: number;
  limit: number;
}

export interface UserDetail extends UserLimitView {
  username: string;
  activeSessions: number;
  /** A page: oldest first, and after them those whose record cannot be decoded. */
  sessions: (SessionView | UnreadableView)[];
  lastRefusal: { at: string; sessionId: string; limits: LimitState[] } | null;
  /** There if more follow: where the next page, and `/active`, go on. */
  nextCursor?: string;
}

/** Lookups in flight at once: a page of 1,000 users must not make its own commands late. */
const LOOKUPS_AT_ONCE = 100;

const byName = (a: UserCount, b: UserCount) => (a.user < b.user ? -1 : a.user > b.user ? 1 : 0);
const bySessions = (a: UserCount, b: UserCount) => a.activeSessions - b.activeSessions;

/** Equal counts are in order of names, so that every user is on exactly one page while nothing changes. */
const ORDERS: Record<UserSort, (a: UserCount, b: UserCount) => number> = {
  sessions_desc: (a, b) => bySessions(b, a) || byName(a, b),
  sessions_asc: (a, b) => bySessions(a, b) || byName(a, b),
  username_asc: byName,
  username_desc: (a, b) => byName(b, a),
};

/** Who has sessions, how many, and how many they may have. */
@Injectable()
export class UsersService {
  constructor(
    private readonly books: Books,
    private readonly limits: LimitsService,
  ) {}

  /** A page of the users who have live sessions or a limit of their own. */
  async page(tenant: TenantConfig, { page, limit, sort }: UsersQuery): Promise<UserPage> {
    const [current, live] = await Promise.all([this.limits.current(tenant), this.books.users(tenant)]);
    const known = new Set(live.map(({ user }) => user));
    const idle = limitedUsers(current).filter((user) => !known.has(user));
    const all = [...live, ...idle.map((user) => ({ user, activeSessions: 0 }))];
    const limitOf = (user: string) => userLimit(current.limits, user, current.nowMs).max;
    const rows = await pageInTurns(all, ORDERS[sort], { page, limit });
    const users: UserRow[] = [];
    for (let from = 0; from < rows.length; from += LOOKUPS_AT_ONCE) {
      const some = rows.slice(from, from + LOOKUPS_AT_ONCE);
      users.push(...(await Promise.all(some.map((row) => this.row(tenant, row, limitOf(row.user))))));
    }
    return { users, total: all.length, page, limit };
  }

  /** With a page of the sessions. Throws InvalidInputError for a cursor that no page gave. */
  async one(tenant: TenantConfig, user: string, { limit, cursor }: UserQuery): Promise<UserDetail> {
    const [current, found, counted, refusal] = await Promise.all([
      this.limits.current(tenant),
      this.books.sessions(tenant, { user }, cursor ?? null, limit),
      this.books.countOfUser(tenant, user),
      this.books.lastRefusal(tenant, user),
    ]);
    const { nextCursor } = found;
    const sessions = found.sessions.toSorted((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
    return {
      username: user,
      // A count opens to the sessions behind it: where all are listed, the list is the count.
      activeSessions: cursor === undefined && nextCursor === null ? sessions.length + found.unreadable.length : counted,
      ...userLimitView(current, user),
      sessions: [...sessions.map(sessionView), ...found.unreadable.map(unreadableView)],
      lastRefusal: refusal && { at: rfc3339(refusal.atMs), sessionId: refusal.sessionId, limits: refusal.limits },
      ...(nextCursor !== null && { nextCursor }),
    };
  }

  private async row(tenant: TenantConfig, { user, activeSessions }: UserCount, limit: number): Promise<UserRow> {
    const newest = activeSessions === 0 ? null : await this.books.newestOfUser(tenant, user);
    return {
      username: user,
      activeSessions,
      limit,
      lastLogin: newest && rfc3339(newest.startedAtMs),
      ipAddress: newest && newest.sourceIp,
    };
  }
}

/** The users with a limit of their own, for good or for a while. */
function limitedUsers({ document, limits, nowMs }: CurrentLimits): string[] {
  const lent = Object.entries(limits.details).flatMap(([key, { temporary }]) =>
    key.startsWith('user:') && temporary !== undefined && nowMs < temporary.untilMs ? [key.slice('user:'.length)] : [],
  );
  return [...new Set([...Object.keys(overridesOf(document)), ...lent])];
}
