import type { AdmissionRequest, Decision } from '../src/model/decision.js';
import type { EndReason } from '../src/model/session.js';

export interface ModelSession {
  attempt: number;
  user: string;
  startedAtMs: number;
  dueMs: number;
  state: 'reserved' | 'active';
  request: AdmissionRequest;
  tokens: number[];
}

export type ModelEntry =
  | { kind: 'live'; session: ModelSession }
  | { kind: 'ended'; through: number; reason: EndReason }
  | { kind: 'withdrawn'; through: number };

/** Every attempt of the id is refused: its end came before it was ever seen, without a number. */
const EVERY = Number.POSITIVE_INFINITY;

/**
 * The books as one plain map, written without a thought of Redis: what the real ones must agree with, whatever the order of
 * calls and however the clock jumps.
 */
export class ModelBooks {
  readonly entries = new Map<string, ModelEntry>();
  limits = { enabled: true, default: 2, users: new Map<string, number>(), action: 'reject' };

  liveOf(user: string): [string, ModelSession][] {
    return [...this.entries]
      .flatMap(([id, entry]): [string, ModelSession][] =>
        entry.kind === 'live' && entry.session.user === user ? [[id, entry.session]] : [],
      )
      .toSorted(
        ([idA, a], [idB, b]) => a.startedAtMs - b.startedAtMs || Buffer.compare(Buffer.from(idA), Buffer.from(idB)),
      );
  }

  admit(now: number, request: AdmissionRequest, token: number): { kind: Decision['kind']; victims: string[] } {
    const { sessionId: id, user } = request;
    const entry = this.entries.get(id);
    if (entry !== undefined && entry.kind !== 'live' && request.attempt <= entry.through) return answer('ended');
    if (entry?.kind === 'live') {
      const { session } = entry;
      if (session.dueMs <= now) {
        this.endDue(id, session, now);
        if (request.attempt <= session.attempt) return answer('ended');
      } else if (session.user !== user) {
        return answer('id-conflict');
      } else if (request.attempt < session.attempt) {
        return answer('ended');
      } else if (request.attempt === session.attempt) {
        if (session.tokens.length < 8) session.tokens.push(token);
        return answer('admitted');
      }
    }
    const victims = this.makeRoom(now, id, user, request.priority === 'emergency');
    if (victims === null) return answer('rejected');
    for (const victim of victims) {
      this.entries.set(victim, { kind: 'ended', through: this.attemptOf(victim), reason: 'evicted' });
    }
    const session: ModelSession = {
      attempt: request.attempt,
      user,
      startedAtMs: now,
      dueMs: 0,
      state: request.state,
      request,
      tokens: [token],
    };
    session.dueMs = dueOf(session, now);
    this.entries.set(id, { kind: 'live', session });
    return answer('admitted', victims);
  }

  confirm(now: number, id: string): 'live' | 'ended' | 'unknown' {
    const session = this.liveNow(now, id);
    if (typeof session === 'string') return session;
    if (session.state === 'reserved') {
      session.state = 'active';
      session.dueMs = dueOf(session, now);
    }
    return 'live';
  }

  renew(now: number, id: string): 'live' | 'ended' | 'unknown' {
    const session = this.liveNow(now, id);
    if (typeof session === 'string') return session;
    // Activity is never earlier than the start, and a clock that stepped back takes nothing away.
    session.dueMs = Math.max(session.dueMs, dueOf(session, Math.max(now, session.startedAtMs)));
    return 'live';
  }

  end(now: number, id: string, attempt: number | undefined, by: 'node' | 'berth'): string {
    const entry = this.entries.get(id);
    const session = this.liveNow(now, id);
    if (typeof session !== 'string') {
      if (attempt !== undefined && attempt < session.attempt) return 'superseded';
      const reason = by === 'node' ? 'completed' : 'killed';
      this.entries.set(id, { kind: 'ended', through: Math.max(session.attempt, attempt ?? 0), reason });
      return 'now';
    }
    const after = this.entries.get(id);
    if (after?.kind === 'ended') {
      if (by === 'node' && attempt !== undefined) after.through = Math.max(after.through, attempt);
      return 'before';
    }
    if (by === 'node') {
      const known = entry?.kind === 'withdrawn' ? entry.through : 0;
      const through = attempt === undefined ? EVERY : Math.max(attempt, known);
      this.entries.set(id, { kind: 'ended', through, reason: 'completed' });
    }
    return 'unknown';
  }

  withdraw(id: string, attempt: number, token: number): string {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.kind === 'withdrawn') {
      this.entries.set(id, { kind: 'withdrawn', through: Math.max(entry?.through ?? -1, attempt - 1) });
      return 'none';
    }
    if (entry.kind === 'ended' || !entry.session.tokens.includes(token)) return 'kept';
    entry.session.tokens = entry.session.tokens.filter((owner) => owner !== token);
    if (entry.session.tokens.length > 0) return 'kept';
    this.entries.set(id, { kind: 'withdrawn', through: entry.session.attempt - 1 });
    return 'withdrawn';
  }

  sweep(now: number): string[] {
    const due = [...this.entries].flatMap(([id, entry]) =>
      entry.kind === 'live' && entry.session.dueMs <= now ? [{ id, session: entry.session }] : [],
    );
    for (const { id, session } of due) this.endDue(id, session, now);
    return due.map(({ id }) => id);
  }

  limitOf(user: string): number {
    return this.limits.users.get(user) ?? this.limits.default;
  }

  /** Ends the user's due sessions if the limit is full, and names the oldest to evict; null if there is no room. */
  private makeRoom(now: number, newId: string, user: string, emergency: boolean): string[] | null {
    const max = this.limitOf(user);
    const others = () => this.liveOf(user).filter(([id]) => id !== newId);
    if (!this.limits.enabled || max <= 0 || emergency || others().length < max) return [];
    for (const [id, session] of others()) {
      if (session.dueMs <= now) this.endDue(id, session, now);
    }
    const needed = others().length - max + 1;
    if (needed <= 0) return [];
    if (this.limits.action !== 'terminate_oldest') return null;
    const evictable = others().filter(([, session]) => session.request.priority !== 'emergency');
    return evictable.length < needed ? null : evictable.slice(0, needed).map(([id]) => id);
  }

  private liveNow(now: number, id: string): ModelSession | 'ended' | 'unknown' {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.kind === 'withdrawn') return 'unknown';
    if (entry.kind === 'ended') return 'ended';
    if (entry.session.dueMs > now) return entry.session;
    this.endDue(id, entry.session, now);
    return 'ended';
  }

  private endDue(id: string, session: ModelSession, now: number): void {
    const { maxDurationMs } = session.request.policy;
    const atMaximum = maxDurationMs > 0 && session.startedAtMs + maxDurationMs <= now;
    const unconfirmed = session.state === 'reserved' ? 'reservation_expired' : 'idle_timeout';
    this.entries.set(id, { kind: 'ended', through: session.attempt, reason: atMaximum ? 'max_duration' : unconfirmed });
  }

  private attemptOf(id: string): number {
    const entry = this.entries.get(id);
    return entry?.kind === 'live' ? entry.session.attempt : 0;
  }
}

function answer(kind: Decision['kind'], victims: string[] = []) {
  return { kind, victims };
}

function dueOf(session: ModelSession, lastActivityMs: number): number {
  const { idleMs, maxDurationMs, reservationMs } = session.request.policy;
  const hard = maxDurationMs > 0 ? session.startedAtMs + maxDurationMs : Number.POSITIVE_INFINITY;
  if (session.state === 'reserved') return Math.min(hard, session.startedAtMs + reservationMs);
  return idleMs > 0 ? Math.min(hard, lastActivityMs + idleMs) : hard;
}
