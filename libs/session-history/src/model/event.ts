import type { EndReason, Priority, SessionState } from '#session-core';

/** Which count a level is of: all live sessions of a shard, those of a user, those of a group. */
export type LevelScope = 'total' | 'user' | 'group';

/** How many sessions were live right after an event, and the most of the moment before it and the one after. */
export interface Level {
  scope: LevelScope;
  /** The user or the group; of `total` the shard, by number: each shard counts its own. */
  name: string;
  active: number;
  peak: number;
}

interface Envelope {
  tenant: string;
  /** By the clock of Redis, milliseconds. */
  atMs: number;
  /** Where the event stands in its stream, `<ms>-<n>` as Redis numbers entries: of one session the later is the newer. */
  position: string;
  levels: readonly Level[];
}

/** The session as it is after an admission, an adoption, a confirmation, an authentication or a transfer. Times in milliseconds. */
export interface LiveEvent extends Envelope {
  kind: 'live';
  /** True for the admission itself, before which nothing of the session can have happened, whatever clocks say. */
  begins: boolean;
  startedAtMs: number;
  /** Where the session was handed over from another id: to the same user or another one. */
  continues?: 'same user' | 'other user' | undefined;
  session: {
    id: string;
    attempt: number;
    user: string;
    node: string;
    epoch: number | null;
    state: SessionState;
    groups: readonly string[];
    priority: Priority;
    from: string | null;
    to: string | null;
    sourceIp: string;
    sourcePort: number;
    destination: string;
    protocol: string;
    direction: string | null;
    correlationId: string | null;
    /** JSON, as it was given. */
    metadata: string | null;
  };
}

/** Totals of a session so far; what is not known is absent. */
export interface Totals {
  bytesSent?: number;
  bytesReceived?: number;
  packetsSent?: number;
  packetsReceived?: number;
}

interface OfSession extends Envelope {
  sessionId: string;
  /** Null where the record of the session was gone: whichever began at this time is meant. */
  attempt: number | null;
  startedAtMs: number;
  totals: Totals;
}

export interface EndedEvent extends OfSession {
  kind: 'ended';
  user: string;
  node: string;
  endedAtMs: number;
  reason: EndReason;
  note: string;
  /** The key or person that had it ended; absent where nobody did. */
  by?: string | undefined;
}

/** A session ended whose start no index had: the one of this id that has not ended is meant. */
export interface LostEvent
  extends
    Envelope,
    Pick<EndedEvent, 'sessionId' | 'user' | 'node' | 'endedAtMs' | 'reason' | 'note' | 'by' | 'totals'> {
  kind: 'lost';
}

/** Totals of a live session, read from the books now and then; or of one that is over, reported after its end. */
export interface TrafficEvent extends OfSession {
  kind: 'traffic';
}

/** A limit that had no room. */
export interface FullLimit {
  scope: string;
  key: string;
  max: number;
  active: number;
  /** What the limit does when it is full, where the event says it. */
  action?: string;
}

/** Somebody was refused: by limits, or by a rule of a server (then `limits` is empty). */
export interface RefusedEvent extends Envelope {
  kind: 'refused';
  /** The event's own id, the same in every repeat. */
  id: string;
  /** '' where the refusal names none: then the event's id stands for it. */
  sessionId: string;
  user: string;
  limits: readonly FullLimit[];
  /** How many refusals this one stands for. */
  count: number;
  rule: string;
  decision: string;
  sourceIp: string;
  sourcePort: number;
  destination: string;
  protocol: string;
  /** The node that asked; '' where it is not known. */
  node: string;
  correlationId: string | null;
}

/** Only the counts changed: a session left a shard for another. */
export interface LevelsEvent extends Envelope {
  kind: 'levels';
}

/** Events that history did not get: they were trimmed away before. */
export interface GapEvent extends Envelope {
  kind: 'gap';
  /** The event's own id, the same in every repeat. */
  id: string;
  shard: number;
  /** Between these times all of them were added, milliseconds. */
  fromMs: number;
  toMs: number;
  /** How many it is known to be; there may be more. */
  entries: number;
}

/** What history takes. Events of one session may come in any order, any number of times. */
export type HistoryEvent = LiveEvent | EndedEvent | TrafficEvent | RefusedEvent | LevelsEvent | LostEvent | GapEvent;
