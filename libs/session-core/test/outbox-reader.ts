import { expect } from '@jest/globals';
import type { Redis } from 'ioredis';
import { fieldsOf } from './fixture.js';

interface SessionInOutbox {
  user: string;
  groups: string[];
  startedAtMs: number;
}

/**
 * The live sessions of a shard as its outbox alone has them. Insists of each event that its counts are those right after it, and that
 * it says the start of its session.
 */
export class OutboxReader {
  readonly live = new Map<string, SessionInOutbox>();
  private last = '-';
  /** A start that came after its end: it is written with that end in one step, without counts, since it never held a slot. */
  private late: string | null = null;

  constructor(
    private readonly redis: Redis,
    private readonly stream: string,
  ) {}

  /** Reads what was written since the last time. */
  async follow(): Promise<void> {
    for (const [id, flat] of await this.redis.xrange(this.stream, this.last, '+')) {
      this.last = `(${id}`;
      this.take(fieldsOf(flat));
    }
  }

  private take(event: Record<string, string>): void {
    const { type = '', session = '{}', at = '', startedAt } = event;
    if (type === 'session.ended' || type === 'session.moved') {
      const { sessionId = '', user } = event;
      if (this.late !== null) {
        expect({ type, late: `${sessionId} ${startedAt}` }).toEqual({ type: 'session.ended', late: this.late });
        expect(event).not.toHaveProperty('userActive');
        this.late = null;
        return;
      }
      const gone = this.live.get(sessionId);
      this.live.delete(sessionId);
      expect({ sessionId, user, startedAt }).toEqual({
        sessionId,
        user: gone?.user,
        startedAt: `${gone?.startedAtMs}`,
      });
      return this.expectCounts(event, gone);
    }
    if (!/^session\.(reserved|admitted|adopted|confirmed|authenticated|transferred)$/.test(type)) return;
    const { id, user = '', groups = [] } = JSON.parse(session) as { id: string; user?: string; groups?: string[] };
    const begins = type === 'session.reserved' || type === 'session.admitted';
    expect(this.late).toBeNull();
    if (begins && startedAt !== undefined) {
      expect(event).not.toHaveProperty('userActive');
      this.late = `${id} ${startedAt}`;
      return;
    }
    const { fromUser, fromUserActive } = event;
    const known = { user, groups, startedAtMs: Number(startedAt ?? at) };
    expect({ type, hasStart: startedAt !== undefined }).toEqual({ type, hasStart: !begins });
    const before = this.live.get(id);
    if (before !== undefined)
      expect({ id, startedAtMs: known.startedAtMs }).toEqual({ id, startedAtMs: before.startedAtMs });
    this.live.set(id, known);
    if (type === 'session.confirmed') return expect(event).not.toHaveProperty('groupsActive');
    this.expectCounts(event, known);
    if (fromUser !== '' && fromUserActive !== undefined) {
      expect(Number(fromUserActive)).toBe(this.count((other) => other.user === fromUser));
    }
  }

  private expectCounts(event: Record<string, string>, of: SessionInOutbox | undefined): void {
    const { type, userActive, totalActive, groupsActive } = event;
    const groups = (of?.groups ?? []).map((name) => [name, this.count((other) => other.groups.includes(name))]);
    expect({ type, userActive, totalActive, groups: groupsActive && (JSON.parse(groupsActive) as unknown) }).toEqual({
      type,
      userActive: `${of?.user === '' ? 0 : this.count(({ user }) => user === of?.user)}`,
      totalActive: `${this.live.size}`,
      groups: groups.length === 0 ? undefined : Object.fromEntries(groups),
    });
  }

  private count(counts: (session: SessionInOutbox) => boolean): number {
    return [...this.live.values()].filter(counts).length;
  }
}
