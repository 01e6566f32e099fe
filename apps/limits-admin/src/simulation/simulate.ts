import {
  ancestorsOf,
  EMERGENCY_GROUP,
  groupParts,
  type EffectiveLimits,
  type LimitKey,
  type Priority,
} from '#session-core';

import { groupLimit, totalLimit, userLimit, type LimitInForce } from '../limits/in-force.js';
import { own } from '../limits/layer.js';

/** What a replay has to know of a session. */
export interface ReplayedSession {
  id: string;
  /** Empty where it is not known. */
  user: string;
  groups: readonly string[];
  priority: Priority;
  startedAtMs: number;
}

export interface Affected {
  count: number;
  /** How many by each limit; a session that several limits concern counts with each. */
  by: Record<LimitKey, number>;
  /** At most 1,000 of them, the first. */
  sessions: { id: string; user: string; limits: LimitKey[] }[];
}

export interface OverLimit {
  /** `total`, `user:alice` or `group:trunk:west`. */
  key: LimitKey;
  limit: number;
  activeSessions: number;
  over: number;
  /** Only measured. */
  observed?: true;
}

export interface SimulationResult {
  sessions: number;
  /** Would not have been admitted. */
  refused: Affected;
  /** Would have been ended early to make room, where a limit ends the oldest. */
  terminated: Affected;
  /** How often a limit that is only measured was full. */
  observed: Record<LimitKey, number>;
  /** Which limits have more live sessions than they would allow; at most 1,000, those furthest above first. */
  over: OverLimit[];
}

/** A limit as the replay goes on. */
interface Line {
  key: LimitKey;
  limit: LimitInForce;
  endsOldest: boolean;
  /** All that live, refused ones too. */
  active: number;
  held: number;
  /** Of those held, the ones that the reserve is kept for. */
  entitled: number;
  /** Those that may make room, oldest first, only where the limit ends the oldest: sessions that hold a reserved place apart. */
  others: Queue;
  holders: Queue;
}

/** Sessions in the order of their start; those before `next` are gone. */
interface Queue {
  sessions: ReplayedSession[];
  next: number;
}

const MAX_NAMED = 1_000;

/**
 * Replays sessions against limits, one by one in the order in which they started. It asks concurrency limits only: rates depend on moments that the
 * books do not have. Emergency sessions pass and take places. Where several full limits end the oldest, each ends its own, so that a
 * decision, which looks for the fewest, may end less.
 */
export class Replay {
  private readonly lines = new Map<LimitKey, Line>();
  private readonly gone = new Set<ReplayedSession>();
  private readonly refused = new Tally();
  private readonly terminated = new Tally();
  private readonly observed = new Map<LimitKey, number>();
  private sessions = 0;

  constructor(
    private readonly limits: EffectiveLimits,
    private readonly nowMs: number,
  ) {}

  take(session: ReplayedSession): void {
    this.sessions++;
    const groups = this.groupsOf(session);
    const lines = this.linesOf(session, groups);
    for (const line of lines) line.active++;
    const full = session.priority === 'emergency' || !this.limits.enabled ? [] : this.fullFor(lines, groups);
    if (full.every((line) => line.endsOldest) && this.makeRoom(full, groups)) {
      for (const line of lines) hold(line, session, groups);
    } else {
      this.refused.add(
        session,
        full.map(({ limit }) => limit.key),
      );
    }
  }

  /** The limits that have more live sessions than they would allow, in any order. */
  *over(): Generator<OverLimit> {
    if (!this.limits.enabled) return;
    for (const { key, limit, active } of this.lines.values()) {
      const over = active - limit.max;
      if (limit.max !== 0 && over > 0)
        yield { key, limit: limit.max, activeSessions: active, over, ...(limit.observed && { observed: true }) };
    }
  }

  /** `over` is what `over()` gave, those furthest above first. */
  result(over: readonly OverLimit[]): SimulationResult {
    return {
      sessions: this.sessions,
      refused: this.refused.result(),
      terminated: this.terminated.result(),
      observed: Object.fromEntries(this.observed),
      over: over.slice(0, MAX_NAMED),
    };
  }

  private fullFor(lines: Line[], groups: Set<string>): Line[] {
    const full = lines.filter((line) => isFull(line, groups));
    for (const { limit } of full) {
      if (limit.observed) this.observed.set(limit.key, (this.observed.get(limit.key) ?? 0) + 1);
    }
    return full.filter(({ limit }) => !limit.observed);
  }

  /** Ends the oldest of each full limit; false, and nothing ended, if one has nobody who may go. */
  private makeRoom(full: Line[], groups: Set<string>): boolean {
    const victims = new Map<ReplayedSession, LimitKey>();
    for (const line of full) {
      const victim = this.oldestOf(line, groups);
      if (victim === undefined) return false;
      victims.set(victim, line.limit.key);
    }
    for (const [victim, key] of victims) {
      this.gone.add(victim);
      this.terminated.add(victim, [key]);
      const victimGroups = this.groupsOf(victim);
      for (const line of this.linesOf(victim, victimGroups)) release(line, victimGroups);
    }
    return true;
  }

  private oldestOf(line: Line, groups: Set<string>): ReplayedSession | undefined {
    const { reserve } = line.limit;
    const other = this.firstOf(line.others);
    if (reserve !== null && !groups.has(reserve.group)) return other;
    const holder = this.firstOf(line.holders);
    if (other === undefined || holder === undefined) return other ?? holder;
    return holder.startedAtMs < other.startedAtMs ? holder : other;
  }

  private firstOf(queue: Queue): ReplayedSession | undefined {
    while (queue.next < queue.sessions.length && this.gone.has(queue.sessions[queue.next]!)) queue.next++;
    return queue.sessions[queue.next];
  }

  private groupsOf({ groups, priority }: ReplayedSession): Set<string> {
    const all = new Set(groups);
    for (const group of groups) for (const above of ancestorsOf(this.limits, group)) all.add(above);
    if (priority === 'emergency') all.add(EMERGENCY_GROUP);
    return all;
  }

  private linesOf({ user }: ReplayedSession, groups: Set<string>): Line[] {
    const { limits, nowMs } = this;
    const lines = [this.line('total', limits.totalAction, () => totalLimit(limits, nowMs))];
    if (user !== '') lines.push(this.line(`user:${user}`, limits.action, () => userLimit(limits, user, nowMs)));
    for (const group of groups) {
      const action = own(limits.groups, groupParts(group).kind)?.action;
      lines.push(this.line(`group:${group}`, action, () => groupLimit(limits, group, nowMs)));
    }
    return lines;
  }

  private line(key: LimitKey, action: string | undefined, limitOf: () => LimitInForce): Line {
    const known = this.lines.get(key);
    if (known !== undefined) return known;
    const endsOldest = action === 'terminate_oldest';
    const line = {
      key,
      limit: limitOf(),
      endsOldest,
      active: 0,
      held: 0,
      entitled: 0,
      others: emptyQueue(),
      holders: emptyQueue(),
    };
    this.lines.set(key, line);
    return line;
  }
}

/** Replays sessions that are in the order of their start; see `Replay`. */
export function simulate(
  sessions: Iterable<ReplayedSession>,
  limits: EffectiveLimits,
  nowMs: number,
): SimulationResult {
  const replay = new Replay(limits, nowMs);
  for (const session of sessions) replay.take(session);
  return replay.result([...replay.over()].toSorted(byOver));
}

/** Those furthest above their limit first. */
export const byOver = (a: OverLimit, b: OverLimit): number => b.over - a.over;

/** The order in which sessions started. */
export function inOrder(a: ReplayedSession, b: ReplayedSession): number {
  return a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1);
}

function isFull({ limit, held, entitled }: Line, groups: Set<string>): boolean {
  if (limit.max === 0) return false;
  const { reserve } = limit;
  const keptFree = reserve === null || groups.has(reserve.group) ? 0 : Math.max(0, reserve.places - entitled);
  return held + keptFree >= limit.max;
}

function hold(line: Line, session: ReplayedSession, groups: Set<string>): void {
  line.held++;
  const holder = line.limit.reserve !== null && groups.has(line.limit.reserve.group);
  if (holder) line.entitled++;
  if (line.endsOldest && session.priority !== 'emergency') (holder ? line.holders : line.others).sessions.push(session);
}

const emptyQueue = (): Queue => ({ sessions: [], next: 0 });

function release(line: Line, groups: Set<string>): void {
  line.held--;
  if (line.limit.reserve !== null && groups.has(line.limit.reserve.group)) line.entitled--;
}

class Tally {
  private count = 0;
  private readonly by = new Map<LimitKey, number>();
  private readonly sessions: Affected['sessions'] = [];

  add({ id, user }: ReplayedSession, limits: LimitKey[]): void {
    this.count++;
    for (const key of limits) this.by.set(key, (this.by.get(key) ?? 0) + 1);
    if (this.sessions.length < MAX_NAMED) this.sessions.push({ id, user, limits });
  }

  result(): Affected {
    return { count: this.count, by: Object.fromEntries(this.by), sessions: this.sessions };
  }
}
