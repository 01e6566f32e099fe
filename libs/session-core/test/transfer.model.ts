import type { EndReason } from '../src/model/session.js';

export interface ModelSession {
  user: string;
  node: string;
  startedAtMs: number;
  dueMs: number;
}

/** What is to become of a session whose handover stopped between its steps. */
export interface ModelOffer {
  user: string;
  node: string | null;
  newId: string | null;
  claimed: boolean;
  offeredAtMs: number;
}

export type ModelEntry =
  | { kind: 'live'; session: ModelSession; offer: ModelOffer | null }
  | { kind: 'ended'; reason: EndReason; wentTo: string | null };

export type Answer =
  'live' | 'moved' | 'ended' | 'unknown' | 'rejected' | 'id-conflict' | 'new-id-taken' | 'new-id-ended';

/** The books as one plain map that knows nothing of shards. */
export class ModelBooks {
  readonly entries = new Map<string, ModelEntry>();

  constructor(readonly max: number) {}

  /** Places that a user holds or has been promised. */
  countOf(user: string): number {
    if (user === '') return 0;
    return [...this.entries.values()].filter(
      (entry) =>
        entry.kind === 'live' &&
        (entry.session.user === user || (entry.offer?.claimed === true && entry.offer.user === user)),
    ).length;
  }

  admit(now: number, id: string, user: string, node: string, lastsMs: number): 'admitted' | 'rejected' {
    if (!this.hasRoom(now, user)) return 'rejected';
    const session = { user, node, startedAtMs: now, dueMs: now + lastsMs };
    this.entries.set(id, { kind: 'live', session, offer: null });
    return 'admitted';
  }

  authenticate(now: number, id: string, user: string): Answer {
    const session = this.settled(now, id);
    if (typeof session === 'string') return session;
    if (session.user === user) return 'live';
    if (session.user !== '') return 'id-conflict';
    if (!this.hasRoom(now, user)) return 'rejected';
    session.user = user;
    return 'moved';
  }

  transfer(now: number, id: string, node: string, user: string | null, newId: string | null): Answer {
    const session = this.settled(now, id);
    const entry = this.entries.get(id);
    if (typeof session === 'string') return this.repeated(entry, session, node, user, newId);
    const to = user ?? session.user;
    if (newId === null && session.node === node && session.user === to) return 'live';
    const taken = newId === null ? undefined : this.entries.get(newId);
    if (taken !== undefined)
      return taken.kind === 'live' && taken.session.dueMs > now ? 'new-id-taken' : 'new-id-ended';
    if (to !== session.user && !this.hasRoom(now, to)) return 'rejected';
    this.go(id, session, { user: to, node, newId });
    return 'moved';
  }

  end(now: number, id: string): 'now' | 'before' | 'unknown' {
    const session = this.liveNow(now, id);
    if (session === 'unknown') {
      this.entries.set(id, { kind: 'ended', reason: 'completed', wentTo: null });
      return session;
    }
    if (session === 'ended') return 'before';
    this.entries.set(id, { kind: 'ended', reason: 'completed', wentTo: null });
    return 'now';
  }

  sweep(now: number): void {
    for (const id of this.entries.keys()) this.liveNow(now, id);
  }

  /** The first steps of a handover. */
  begin(now: number, id: string, offer: Omit<ModelOffer, 'claimed'>, alsoClaim: boolean): void {
    const entry = this.entries.get(id);
    if (entry?.kind !== 'live') throw new Error(`${id} is not live`);
    const claimed = alsoClaim && this.hasRoom(now, offer.user);
    entry.offer = alsoClaim && !claimed ? null : { ...offer, claimed };
  }

  /** Somebody comes by: what is under way is done, or comes to nothing. */
  settle(now: number, id: string): void {
    const entry = this.entries.get(id);
    if (entry?.kind !== 'live' || entry.offer === null) return;
    const { offer, session } = entry;
    entry.offer = null;
    if (offer.claimed || this.hasRoom(now, offer.user)) {
      this.go(id, session, { ...offer, node: offer.node ?? session.node });
    }
  }

  private go(id: string, session: ModelSession, to: { user: string; node: string; newId: string | null }): void {
    const moved = { ...session, user: to.user, node: to.node };
    if (to.newId !== null) this.entries.set(id, { kind: 'ended', reason: 'transferred', wentTo: to.newId });
    this.entries.set(to.newId ?? id, { kind: 'live', session: moved, offer: null });
  }

  private repeated(
    entry: ModelEntry | undefined,
    gone: 'ended' | 'unknown',
    node: string,
    user: string | null,
    newId: string | null,
  ): Answer {
    if (newId === null || (entry?.kind === 'ended' && entry.wentTo !== newId)) return gone;
    const arrived = this.entries.get(newId);
    if (arrived?.kind !== 'live') return gone;
    return arrived.session.node === node && (user ?? arrived.session.user) === arrived.session.user ? 'live' : gone;
  }

  private settled(now: number, id: string): ModelSession | 'ended' | 'unknown' {
    this.liveNow(now, id);
    this.settle(now, id);
    return this.liveNow(now, id);
  }

  private liveNow(now: number, id: string): ModelSession | 'ended' | 'unknown' {
    const entry = this.entries.get(id);
    if (entry === undefined) return 'unknown';
    if (entry.kind === 'ended') return 'ended';
    if (entry.session.dueMs > now) return entry.session;
    this.entries.set(id, { kind: 'ended', reason: 'max_duration', wentTo: null });
    return 'ended';
  }

  /** A full limit ends what is due of its user first. */
  private hasRoom(now: number, user: string): boolean {
    if (user === '' || this.countOf(user) < this.max) return true;
    for (const [id, entry] of this.entries) {
      const of = entry.kind === 'live' && entry.offer?.claimed === true ? entry.offer.user : null;
      if (entry.kind === 'live' && (entry.session.user === user || of === user)) this.liveNow(now, id);
    }
    return this.countOf(user) < this.max;
  }
}
