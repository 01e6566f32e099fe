import { createHash, randomBytes } from 'node:crypto';

import { Calls, type Answered } from './calls.js';
import { BerthClient } from './client.js';
import { BerthError } from './errors.js';
import { Gateways } from './gateways.js';
import type { LimitState, Operations } from './generated/operations.js';
import { serverAt, type TlsOptions } from './options.js';
import type { Rejected } from './outcomes.js';
import { failureOf } from './problems.js';
import type { Call } from './transport.js';

export interface ManagerOptions {
  /** That of an admission-gateway, or of several. */
  url: string | readonly string[];
  /** That of limits-admin: needed for all sessions of a user, and for statistics. */
  adminUrl?: string;
  /** Bearer keys: of role `node` or `admin` for the gateway, `admin` for limits-admin (`operator` suffices to read). */
  key?: string;
  adminKey?: string;
  /** How long a call may take with all its retries, milliseconds; 2,000 by default. */
  deadlineMs?: number;
  tls?: TlsOptions;
}

export interface UserSession {
  /** The secret, where the manager made the session or was given it; in lists the handle (`sha256:…`), which ends a session and opens none. */
  sessionId: string;
  userId: string;
  createdAt: Date;
  /** Null if nothing ends it. */
  expiresAt: Date | null;
  metadata: Record<string, unknown>;
}

/** `active`: live now; `expired`: began within the last 24 hours and are over; `total`: both. */
export interface SessionStats {
  total_sessions: number;
  active_sessions: number;
  expired_sessions: number;
}

/** The user may not have one more session now: `code` is that of the first full limit. */
export class SessionRefusedError extends BerthError {
  override readonly name = 'SessionRefusedError';
  /** Every limit that was full. */
  readonly limits: readonly LimitState[];

  constructor({ code, limits }: Rejected) {
    super(code, limits.map(({ scope, key, max, active }) => `${scope} ${key} has ${active} of ${max}`).join(', '));
    this.limits = limits;
  }
}

/** The policy is that of `sessions.user-session` in Berth's configuration, else of `sessions.default`. */
const PROTOCOL = 'user-session';
const HANDLE = 'sha256:';
const SECRET_BYTES = 32;
const PAGE_SIZE = 1_000;
const STATISTICS_HOURS = 24;
const DEADLINE_MS = 2_000;

/**
 * The sessions of a user service: makes, finds and ends them.
 *
 * A session id is a secret: who has it is logged in. Berth is given only its SHA-256, so nobody can log in with what stands in its books,
 * history, exports or logs.
 */
export class SessionManager {
  private readonly client: BerthClient;
  private readonly admin: { calls: Calls; servers: Gateways } | null;
  private readonly deadlineMs: number;

  constructor({ url, adminUrl, key, adminKey = key, deadlineMs = DEADLINE_MS, tls }: ManagerOptions) {
    const common = { deadlineMs, ...(tls !== undefined && { tls }) };
    this.client = new BerthClient({ gateways: url, ...common, ...(key !== undefined && { key }) });
    this.deadlineMs = deadlineMs;
    const servers = adminUrl === undefined ? null : new Gateways([serverAt(adminUrl, { key: adminKey, tls })]);
    this.admin = servers && { servers, calls: new Calls(servers) };
  }

  /**
   * A new session of the user; `ttlSeconds` may only shorten what Berth's configuration allows.
   *
   * Throws SessionRefusedError where a limit is full, UnavailableError where nothing was decided: what that may have made is ended as soon as a
   * gateway answers.
   */
  async createSession(
    userId: string,
    { ttlSeconds, metadata }: { ttlSeconds?: number; metadata?: Record<string, unknown> } = {},
  ): Promise<UserSession> {
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const outcome = await this.client.admit({
      sessionId: handleOf(secret),
      user: userId,
      protocol: PROTOCOL,
      ...(ttlSeconds !== undefined && { ttlSeconds }),
      ...(metadata !== undefined && { metadata }),
    });
    if (outcome.kind === 'admitted') return userSession(outcome.session, secret);
    if (outcome.kind === 'rejected') throw new SessionRefusedError(outcome);
    throw new BerthError('bad-answer', `A new session cannot be ${outcome.kind}`);
  }

  /** The live session with this id; null where there is none, or none any more. A handle opens none. */
  async getSession(sessionId: string): Promise<UserSession | null> {
    if (sessionId.startsWith(HANDLE)) return null;
    const found = await this.client.get(handleOf(sessionId));
    return found === null || 'endedAt' in found || found.state === 'unreadable' ? null : userSession(found, sessionId);
  }

  /** Ends the session with this id or handle. False where Berth does not know it; true, and true again, where it does. */
  async invalidateSession(sessionId: string): Promise<boolean> {
    const { kind } = await this.client.end(sessionId.startsWith(HANDLE) ? sessionId : handleOf(sessionId));
    return kind !== 'unknown';
  }

  /** Ends all sessions of the user, of whatever kind. Returns how many. */
  async invalidateUserSessions(userId: string): Promise<number> {
    const call = { operation: 'users_terminate', params: { username: userId }, body: {} } as const;
    return (await this.ask<'users_terminate'>(call)).terminated;
  }

  /** The live sessions of the user, of whatever kind, each with its handle in place of its id. */
  async getUserSessions(userId: string): Promise<UserSession[]> {
    const found: UserSession[] = [];
    let cursor: string | null = null;
    do {
      const query = { username: userId, limit: String(PAGE_SIZE), cursor: cursor ?? undefined };
      const page: Operations['sessions_active']['answer'] = await this.ask<'sessions_active'>({
        operation: 'sessions_active',
        query,
      });
      for (const one of page.sessions) if (one.state !== 'unreadable') found.push(userSession(one, one.id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  }

  /** How many sessions were left to clean up: none. Berth ends each when its time is over, by itself. */
  async cleanupExpiredSessions(): Promise<number> {
    return 0;
  }

  async getSessionStats(): Promise<SessionStats> {
    const stats = await this.ask<'statistics_stats'>({
      operation: 'statistics_stats',
      query: { window_hours: String(STATISTICS_HOURS) },
    });
    const live = await this.ask<'history_list'>({
      operation: 'history_list',
      query: { hours: String(STATISTICS_HOURS), status: 'active', page_size: '1' },
    });
    const expired = Math.max(0, stats.total_sessions - live.total);
    const { active_sessions: active } = stats;
    return { total_sessions: active + expired, active_sessions: active, expired_sessions: expired };
  }

  /** Delivers the ends that no gateway took yet, if that can be done within the deadline, and closes the connections. Returns how many were not delivered. */
  async close(): Promise<number> {
    this.admin?.servers.close();
    return await this.client.close();
  }

  private async ask<Name extends keyof Operations>(
    call: Call & { operation: Name },
  ): Promise<Operations[Name]['answer']> {
    if (this.admin === null) {
      throw new BerthError('invalid-option', 'adminUrl must say where limits-admin is: this is asked there');
    }
    const answer: Answered = await this.admin.calls.send(call, { deadlineMs: this.deadlineMs });
    if (answer.status >= 300) throw failureOf(answer);
    return answer.body as Operations[Name]['answer'];
  }
}

function handleOf(secret: string): string {
  return HANDLE + createHash('sha256').update(secret).digest('hex');
}

interface SessionFields {
  user: string | null;
  startedAt: string;
  expiresAt: string | null;
  metadata?: unknown;
}

function userSession({ user, startedAt, expiresAt, metadata }: SessionFields, sessionId: string): UserSession {
  return {
    sessionId,
    userId: user ?? '',
    createdAt: new Date(startedAt),
    expiresAt: expiresAt === null ? null : new Date(expiresAt),
    metadata: (metadata ?? {}) as Record<string, unknown>,
  };
}
