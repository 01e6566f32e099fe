import type { LimitDetails, LimitState, Reserve } from '../src/model/limit.js';
import type { GroupKindLimits, LimitsLayer } from '../src/model/limits-document.js';
import { RatesModel } from './limits-rates.model.js';

export interface Caller {
  id: string;
  attempt: number;
  /** '' for none. */
  user: string;
  userClass: string | null;
  /** As named. */
  groups: string[];
  address: string;
  emergency: boolean;
  /** 0: never over by itself. */
  lastsMs: number;
}

export interface ModelSession extends Caller {
  startedAtMs: number;
  dueMs: number;
  tokens: number[];
}

/** A limit as one caller meets it. */
interface ModelLimit {
  scope: 'user' | 'group' | 'total';
  key: string;
  max: number;
  observe: boolean;
  /** Null also for whoever is entitled to it. */
  reserve: Reserve | null;
  terminatesOldest: boolean;
  counts: (session: ModelSession) => boolean;
}

/** Who has to make room: so many of these; the first of them where one limit alone is full. */
export interface Room {
  size: number;
  of: string[];
  inOrder: boolean;
  suffices: (victims: string[]) => boolean;
}

export type ModelDecision =
  | { kind: 'ended' | 'id-conflict' | 'repeated' }
  | { kind: 'rejected'; full: LimitState[] }
  | { kind: 'admitted'; room: Room; observed: LimitState[] };

const NOBODY: Room = { size: 0, of: [], inOrder: true, suffices: () => true };

/**
 * Limits over one plain list of sessions, written without a thought of Redis: `admit` says what has to come of a request, `enter` then puts it
 * on the books with the victims that the real books chose.
 */
export class LimitsModel {
  limits: LimitsLayer = {};
  readonly live = new Map<string, ModelSession>();
  /** Of ids that are not live: all attempts up to this one stay refused. */
  readonly through = new Map<string, number>();
  readonly rates = new RatesModel();

  admit(now: number, caller: Caller): ModelDecision {
    const { id, attempt, user } = caller;
    let before = this.live.get(id);
    if (before !== undefined && before.dueMs <= now) {
      this.end(id);
      before = undefined;
    }
    if (before === undefined) {
      return attempt <= (this.through.get(id) ?? -1) ? { kind: 'ended' } : this.judge(now, caller, undefined);
    }
    if (before.user !== user && (user !== '' || attempt > before.attempt)) return { kind: 'id-conflict' };
    if (attempt < before.attempt) return { kind: 'ended' };
    return attempt === before.attempt ? { kind: 'repeated' } : this.judge(now, caller, before);
  }

  /** Of an older attempt, `before`, the place counts as free; if it is refused, that one stays. */
  private judge(now: number, caller: Caller, before: ModelSession | undefined): ModelDecision {
    if (this.limits.enabled === false) return { kind: 'admitted', room: NOBODY, observed: [] };
    const others = () => [...this.live.values()].filter((session) => session !== before);
    const held = (limit: ModelLimit) => others().filter(limit.counts).length;
    const kept = ({ reserve, counts }: ModelLimit) => {
      if (reserve === null) return 0;
      const used = others().filter((session) => counts(session) && session.groups.includes(reserve.group)).length;
      return Math.max(0, reserve.places - used);
    };
    const missing = (limit: ModelLimit) => (limit.max > 0 ? held(limit) + kept(limit) - limit.max + 1 : 0);
    const shown = (limit: ModelLimit): LimitState => {
      const { scope, key, max } = limit;
      const reserved = kept(limit);
      const active = held(limit) + (before !== undefined && limit.counts(before) ? 1 : 0);
      return { scope, key, max, active, ...(reserved > 0 && { reserved }) };
    };

    const limits = this.limitsOver(now, caller);
    if (caller.emergency) {
      const observed = limits.filter((limit) => limit.observe && missing(limit) > 0).map(shown);
      return { kind: 'admitted', room: NOBODY, observed };
    }
    for (const limit of limits) {
      const over = others().filter((session) => limit.counts(session) && session.dueMs <= now);
      if (missing(limit) > 0) for (const { id } of over) this.end(id);
    }
    const short = limits.filter((limit) => missing(limit) > 0);
    const full = short.filter(({ observe }) => !observe);
    const rates = this.rates.full(this.limits, now, caller, this.groupsOf(caller));
    const fullRates = rates.filter(({ observed }) => observed !== true);

    const mayEnd = fullRates.length === 0 && full.every(({ terminatesOldest }) => terminatesOldest);
    const room = mayEnd
      ? roomIn(
          others(),
          full.map((limit) => ({ limit, needs: missing(limit) })),
        )
      : null;
    if (room === null) return { kind: 'rejected', full: [...full.map(shown), ...fullRates] };
    const observed = [...short.filter(({ observe }) => observe).map(shown), ...rates];
    return { kind: 'admitted', room, observed };
  }

  /** Puts an admission on the books in which these victims made room. Returns the limits that it is told. */
  enter(now: number, caller: Caller, victims: string[], token: number): LimitState[] {
    for (const victim of victims) this.end(victim);
    const groups = this.groupsOf(caller);
    const dueMs = caller.lastsMs > 0 ? now + caller.lastsMs : Infinity;
    this.rates.take(this.limits, now, caller, groups);
    this.live.set(caller.id, { ...caller, groups, startedAtMs: now, dueMs, tokens: [token] });
    return this.limitsOver(now, caller).flatMap(({ scope, key, max, counts }) =>
      scope === 'user' || max > 0 ? [{ scope, key, max, active: [...this.live.values()].filter(counts).length }] : [],
    );
  }

  end(id: string): void {
    this.through.set(id, this.live.get(id)?.attempt ?? 0);
    this.live.delete(id);
  }

  sweep(now: number): string[] {
    const due = [...this.live.values()].filter(({ dueMs }) => dueMs <= now).map(({ id }) => id);
    for (const id of due) this.end(id);
    return due;
  }

  /** Takes back what was admitted with this token, unless another call owns it too. */
  withdraw(now: number, id: string, token: number): 'withdrawn' | 'kept' {
    const session = this.live.get(id);
    if (session?.tokens.includes(token) !== true) return 'kept';
    session.tokens = session.tokens.filter((owner) => owner !== token);
    if (session.tokens.length > 0) return 'kept';
    this.live.delete(id);
    this.through.set(id, session.attempt - 1);
    this.rates.giveBack(this.limits, now, session, session.groups, session.startedAtMs);
    return 'withdrawn';
  }

  /** The groups that a caller names, each with those that it is within. */
  groupsOf({ groups, emergency }: Pick<Caller, 'groups' | 'emergency'>): string[] {
    const all = new Set<string>();
    for (const named of emergency ? [...groups, 'priority:emergency'] : groups) {
      for (let group = named; group !== '' && !all.has(group);) {
        all.add(group);
        const [kind, name] = this.kindOf(group);
        group = kind.parents?.[name] ?? '';
      }
    }
    return [...all];
  }

  private limitsOver(now: number, caller: Caller): ModelLimit[] {
    const { users = {}, classes = {}, userClasses = {}, maxSessionsPerUser = 5, maxTotalSessions = 0 } = this.limits;
    const { user } = caller;
    const groups = this.groupsOf(caller);
    const inForce = (of: Pick<ModelLimit, 'scope' | 'key' | 'counts'>, action: unknown, said: Said[]): ModelLimit => {
      const { max, details } = this.mostParticular(now, said);
      const entitled = details.reserve !== undefined && groups.includes(details.reserve.group);
      const reserve = entitled ? null : (details.reserve ?? null);
      return {
        ...of,
        max,
        observe: details.observe === true,
        reserve,
        terminatesOldest: action === 'terminate_oldest',
      };
    };
    const ofClass = userClasses[user] ?? caller.userClass ?? '';
    const ofUser: Said[] = [
      [`user:${user}`, users[user]],
      [`class:${ofClass}`, classes[ofClass]],
      ['user', maxSessionsPerUser],
    ];
    const isOfUser = (session: ModelSession) => session.user === user;
    const found =
      user === '' ? [] : [inForce({ scope: 'user', key: user, counts: isOfUser }, this.limits.action, ofUser)];
    for (const group of groups) {
      const [kind, name] = this.kindOf(group);
      const counts = (session: ModelSession) => session.groups.includes(group);
      const said: Said[] = [
        [`group:${group}`, kind.overrides?.[name]],
        [`kind:${group.split(':')[0]}`, kind.default ?? 0],
      ];
      found.push(inForce({ scope: 'group', key: group, counts }, kind.action, said));
    }
    const counts = () => true;
    const total: Said[] = [['total', maxTotalSessions]];
    return [...found, inForce({ scope: 'total', key: '*', counts }, this.limits.totalAction, total)];
  }

  /** The number of the most particular one that says any, and the details of the first that says anything: one that gives way says nothing. */
  private mostParticular(now: number, said: Said[]): { max: number; details: LimitDetails } {
    let details: LimitDetails | undefined;
    for (const [key, own] of said) {
      const more = this.limits.details?.[key] ?? {};
      const max = more.temporary !== undefined && now < more.temporary.untilMs ? more.temporary.max : own;
      if (max !== undefined || more.observe === true || more.reserve !== undefined) details ??= more;
      if (max !== undefined) return { max: Math.max(0, max), details: details ?? {} };
    }
    return { max: 0, details: {} };
  }

  private kindOf(group: string): [kind: GroupKindLimits, name: string] {
    const [kind = '', name = ''] = group.split(':');
    return [this.limits.groups?.[kind] ?? {}, name];
  }
}

/** The key of a limit, and its number where one is said. */
type Said = [key: string, max: number | undefined];

/** The fewest that free every full limit, found by trying; null if all are not enough. Nobody is freed for who holds a place kept for its group. */
function roomIn(sessions: ModelSession[], full: { limit: ModelLimit; needs: number }[]): Room | null {
  const frees = (session: ModelSession, { counts, reserve }: ModelLimit) =>
    counts(session) && !(reserve !== null && session.groups.includes(reserve.group));
  const may = sessions
    .filter((session) => !session.emergency && full.some(({ limit }) => frees(session, limit)))
    .toSorted((a, b) => a.startedAtMs - b.startedAtMs || (a.id < b.id ? -1 : 1));
  const enough = (chosen: ModelSession[]) =>
    full.every(({ limit, needs }) => chosen.filter((session) => frees(session, limit)).length >= needs);
  if (!enough(may)) return null;
  const subsets = Array.from({ length: 2 ** may.length }, (_, bits) => may.filter((_s, n) => (bits >> n) % 2 === 1));
  const size = Math.min(...subsets.filter(enough).map((chosen) => chosen.length));
  const suffices = (victims: string[]) => enough(may.filter(({ id }) => victims.includes(id)));
  return { size, of: may.map(({ id }) => id), inOrder: full.length === 1, suffices };
}
