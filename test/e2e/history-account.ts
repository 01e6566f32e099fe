import type { EndedSession, EndReason, LimitState, Session } from '#session-core';
import type { SessionRow } from '#session-history';

/** What was answered about the end of a session; what no answer had is null, and the books are asked for it. */
export interface Ending {
  atMs: number | null;
  reason: EndReason | null;
  note: string | null;
}

/** A session as its callers know it. */
export interface Life {
  id: string;
  startedAtMs: number;
  attempt: number;
  user: string;
  node: string;
  state: 'reserved' | 'active';
  groups: string[];
  destination: string | null;
  idleMs: number;
  reservationMs: number;
  totals: Record<'bytesSent' | 'bytesReceived' | 'packetsSent' | 'packetsReceived', number>;
}

const FAILED: readonly EndReason[] = ['node_lost', 'node_restarted', 'reconciled', 'reservation_expired'];
const SHOWN = 20;

const keyOf = (id: string, startedAtMs: number) => `${id} ${new Date(startedAtMs).toISOString()}`;

/**
 * The plain account of a load: every session and every refusal that was answered, and nothing from history. What could not be known (a
 * call without an answer) is `doubtful` and left to the outbox.
 */
export class Account {
  readonly lives = new Map<string, Life>();
  private readonly ends = new Map<string, Ending>();
  /** Refusals by what refused whom: how many, and which ids. */
  private readonly refused = new Map<string, { count: number; ids: Set<string> }>();
  /** Of servers, by event id. */
  private readonly forbidden = new Map<string, { sessionId: string; user: string; rule: string; decision: string }>();
  readonly doubtful = new Set<string>();

  begin(session: Session, policy: { idleMs: number; reservationMs: number }, before?: Life): Life {
    const { id, attempt, user, node, state, groups, destination, startedAtMs } = session;
    const totals = before?.totals ?? { bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0 };
    const { idleMs, reservationMs } = policy;
    const facts = { id, attempt, user, node: node ?? '', state, groups, destination, startedAtMs };
    const life: Life = { ...facts, idleMs, reservationMs, totals: { ...totals } };
    this.lives.set(keyOf(id, startedAtMs), life);
    return life;
  }

  /** The end of a session, be its start still on the way to its caller. */
  end({ id, startedAtMs }: { id: string; startedAtMs: number }, ending: Ending): void {
    const key = keyOf(id, startedAtMs);
    const known = this.ends.get(key);
    if (known && known.reason !== ending.reason) {
      throw new Error(`${key} ended twice: ${known.reason}, ${ending.reason}`);
    }
    this.ends.set(key, ending);
  }

  endAsAnswered(session: EndedSession): void {
    this.end(session, { atMs: session.endedAtMs, reason: session.endReason, note: session.note ?? '' });
  }

  refuse(id: string, user: string, [first]: readonly LimitState[]): void {
    const by = JSON.stringify([user, first?.scope, first?.key]);
    const known = this.refused.get(by) ?? { count: 0, ids: new Set() };
    this.refused.set(by, { count: known.count + 1, ids: known.ids.add(id) });
  }

  forbid(eventId: string, refusal: { sessionId: string; user: string; rule: string; decision: string }): void {
    this.forbidden.set(eventId, refusal);
  }

  get refusals(): number {
    return [...this.refused.values()].reduce((sum, { count }) => sum + count, this.forbidden.size);
  }

  ending({ id, startedAtMs }: Life): Ending | null {
    return this.ends.get(keyOf(id, startedAtMs)) ?? null;
  }

  /** Those of whose end nothing, or not all, was answered. */
  unsettled(): Life[] {
    return [...this.lives.values()].filter((life) => this.ending(life)?.atMs == null);
  }

  /** What the row of a session has to be. */
  rowOf(life: Life): Partial<SessionRow> {
    const ending = this.ending(life);
    const [dest_ip = '', dest_port = '0'] = (life.destination ?? '').split(':');
    const common = {
      session_id: life.id,
      start_time: new Date(life.startedAtMs).toISOString(),
      user: life.user,
      node: life.node,
      attempt: life.attempt,
      groups: JSON.stringify(life.groups),
      dest_ip,
      dest_port: Number(dest_port),
      refusals: 0,
      refused_by: '',
    };
    if (!ending) {
      return {
        ...common,
        status: 'active',
        state: life.state,
        end_time: null,
        duration_secs: null,
        close_reason: null,
      };
    }
    const { atMs, reason, note } = ending;
    if (atMs === null || reason === null) throw new Error(`Nobody knows when ${life.id} ended`);
    return {
      ...common,
      status: FAILED.includes(reason) ? 'failed' : 'closed',
      state: 'ended',
      end_time: new Date(atMs).toISOString(),
      duration_secs: Math.max(0, Math.floor((atMs - life.startedAtMs) / 1_000)),
      close_reason: reason,
      ...(note !== null && { note }),
      bytes_sent: life.totals.bytesSent,
      bytes_received: life.totals.bytesReceived,
      packets_sent: life.totals.packetsSent,
      packets_received: life.totals.packetsReceived,
    };
  }

  /** What history has too much, too little or otherwise; empty if it is right. */
  differences(rows: readonly SessionRow[]): string[] {
    const found = [...this.wrongSessions(rows), ...this.wrongRefusals(rows.filter(({ refusals }) => refusals > 0))];
    return found.length > SHOWN ? [...found.slice(0, SHOWN), `and ${found.length - SHOWN} more`] : found;
  }

  /** Of sessions alone. */
  wrongSessions(rows: readonly SessionRow[]): string[] {
    const found: string[] = [];
    const sessions = rows.filter(({ refusals, session_id }) => refusals === 0 && !this.doubtful.has(session_id));
    const left = new Map(sessions.map((row) => [`${row.session_id} ${row.start_time}`, row]));
    if (left.size < sessions.length) found.push(`${sessions.length - left.size} sessions are there twice`);
    for (const [key, life] of this.lives) {
      if (this.doubtful.has(life.id)) continue;
      const row = left.get(key);
      left.delete(key);
      if (row) found.push(...this.misfits(key, life, row));
      else found.push(`${key} is missing: ${JSON.stringify(this.rowOf(life))}`);
    }
    return [...found, ...[...left.values()].map((row) => `nobody knows ${JSON.stringify(row)}`)];
  }

  private misfits(key: string, life: Life, row: SessionRow): string[] {
    const wrong = Object.entries(this.rowOf(life)).filter(([name, value]) => row[name as keyof SessionRow] !== value);
    // Of a live session the totals are read now and then.
    const { bytesSent, bytesReceived } = life.totals;
    if (row.bytes_sent > bytesSent || row.bytes_received > bytesReceived) wrong.push(['bytes at most', bytesSent]);
    const faults = wrong.map(([name, value]) => `${name} is ${row[name as keyof SessionRow]}, expected ${value}`);
    return faults.length === 0 ? [] : [`${key} (${row.close_reason}): ${faults.join('; ')}`];
  }

  private wrongRefusals(rows: readonly SessionRow[]): string[] {
    const found: string[] = [];
    const counts = new Map<string, number>();
    const forbidden = new Map(this.forbidden);
    for (const row of rows) {
      if (row.status === 'rejected_by_acl') {
        const refusal = forbidden.get(row.event_id);
        forbidden.delete(row.event_id);
        const inHistory = [row.session_id, row.user, row.acl_rule_matched, row.acl_decision, row.refusals].join();
        const wanted =
          refusal && [refusal.sessionId || row.event_id, refusal.user, refusal.rule, refusal.decision, 1].join();
        if (inHistory !== wanted) found.push(`refusal of a server: ${inHistory}, expected ${wanted}`);
        continue;
      }
      const [first] = JSON.parse(row.limits ?? '[]') as LimitState[];
      const by = JSON.stringify([row.user, row.refused_by, first?.key]);
      counts.set(by, (counts.get(by) ?? 0) + row.refusals);
      const isSum = row.session_id === row.event_id;
      if (!isSum && !this.refused.get(by)?.ids.has(row.session_id))
        found.push(`${row.session_id} was not refused: ${by}`);
    }
    found.push(...[...forbidden.keys()].map((id) => `the refusal ${id} of a server is missing`));
    for (const [by, { count }] of this.refused) {
      if (counts.get(by) !== count) found.push(`refusals of ${by}: ${counts.get(by) ?? 0}, expected ${count}`);
      counts.delete(by);
    }
    return [...found, ...[...counts].map(([by, count]) => `${count} refusals of ${by} that nobody was answered`)];
  }
}
