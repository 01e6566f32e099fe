/** `reserved`: ringing or not yet authenticated, on a short lease. `active`: answered. Both hold a place. */
export type SessionState = 'reserved' | 'active';

/** Why a session ended. The set is closed; free text goes to `note`. */
export const END_REASONS = [
  'completed',
  'idle_timeout',
  'max_duration',
  'reservation_expired',
  'node_lost',
  'node_restarted',
  'reconciled',
  'evicted',
  'killed',
  'transferred',
] as const;
export type EndReason = (typeof END_REASONS)[number];

export type Priority = 'normal' | 'emergency';

/** A channel inside a session, as SSH servers have them. */
export interface Channel {
  id: string;
  type: 'session' | 'direct-tcpip' | 'forwarded-tcpip';
  host?: string | undefined;
  port?: number | undefined;
  openedAt?: string | undefined;
}

/** The facts of the session that its server gave when it asked; carried, never decided upon. */
export interface SessionFacts {
  from: string | null;
  to: string | null;
  sourceIp: string | null;
  sourcePort: number | null;
  destination: string | null;
  protocol: string;
  direction: string | null;
  correlationId: string | null;
  metadata: Record<string, unknown> | null;
}

/** All that is known of a session of which nothing is known but that it is live. */
export const NO_FACTS: SessionFacts = {
  from: null,
  to: null,
  sourceIp: null,
  sourcePort: null,
  destination: null,
  protocol: 'sip',
  direction: null,
  correlationId: null,
  metadata: null,
};

/** Totals so far; merged by maximum, so that late and repeated reports change nothing. */
export interface TrafficTotals {
  bytesSent?: number | undefined;
  bytesReceived?: number | undefined;
  packetsSent?: number | undefined;
  packetsReceived?: number | undefined;
  channels?: Channel[] | undefined;
}

/** How long a session of one protocol may last; milliseconds, 0 for no such bound. */
export interface SessionPolicy {
  idleMs: number;
  maxDurationMs: number;
  reservationMs: number;
}

/** A session as the books have it. Times are milliseconds of the Redis clock; null where there is none. */
export interface Session extends SessionFacts {
  id: string;
  /** Larger for every new attempt of the same id (SIP: the CSeq number of the INVITE). */
  attempt: number;
  tenant: string;
  user: string;
  node: string | null;
  epoch: number | null;
  state: SessionState;
  groups: string[];
  priority: Priority;
  startedAtMs: number;
  lastActivityAtMs: number;
  /** When it is due next: by idle time, reservation or maximum duration, whichever is first. */
  expiresAtMs: number | null;
  /** The hard end that nothing renews. */
  endsByMs: number | null;
  bytesSent: number;
  bytesReceived: number;
  packetsSent: number;
  packetsReceived: number;
  channels: Channel[];
}

/**
 * A session whose record this release cannot decode: a foreign hand, or a later release, has written it. It holds its places until it is due
 * or is ended, and nothing is known of it but what the indices say.
 */
export interface UnreadableSession {
  id: string;
  tenant: string;
  /** Where the index that named it says whose it is; null where it does not. */
  user: string | null;
  expiresAtMs: number | null;
}

/** A session that has ended, while its tombstone lasts. */
export interface EndedSession extends Session {
  endedAtMs: number;
  endReason: EndReason;
  note: string | null;
  /** The key or person that had it ended; null where nobody did. */
  endedBy: string | null;
  /**
   * Whether the record is as it was. The tombstone of a final ending keeps no facts, groups, channels and, where they are long, no note:
   * these are empty then.
   */
  whole: boolean;
  /** Where the session goes on after a handover: under another id, or with another user in another shard. */
  movedTo?: { sessionId: string; user: string } | null;
}

/**
 * Names a session: the id its server gave, and the user where the caller knows it.
 *
 * The user says where to look in a tenant with several shards, and whose session is meant: that of another user counts as unknown. A session
 * that has no user yet is found whichever user is named.
 */
export interface SessionRef {
  sessionId: string;
  user?: string | undefined;
}
