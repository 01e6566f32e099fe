import type { EndedSession, EndReason, Session, UnreadableSession } from '#session-core';

/** What the tombstone of a final ending does not keep. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'from',
  'to',
  'sourceIp',
  'sourcePort',
  'destination',
  'protocol',
  'direction',
  'correlationId',
  'groups',
  'channels',
  'metadata',
]);

/** A session as JSON shows it. An ended one has `endedAt` and `endReason` in addition, and lacks what its tombstone does not keep. */
export function sessionView(session: Session | EndedSession): SessionView {
  const view = liveView(session);
  if (!isEnded(session)) return view;
  const kept = Object.entries(view).filter(([name]) => session.whole || !NOT_KEPT.has(name));
  return {
    ...(Object.fromEntries(kept) as SessionView),
    state: 'ended',
    endedAt: rfc3339(session.endedAtMs),
    endReason: session.endReason,
  };
}

type LiveView = ReturnType<typeof liveView>;

export type SessionView = Omit<LiveView, 'state'> & {
  state: LiveView['state'] | 'ended';
  endedAt?: string;
  endReason?: EndReason;
};

function liveView(session: Session) {
  return {
    id: session.id,
    attempt: session.attempt,
    tenant: session.tenant,
    // The end of an id that nobody had seen is remembered without a user.
    user: session.user === '' ? null : session.user,
    node: session.node,
    epoch: session.epoch,
    state: session.state,
    from: session.from,
    to: session.to,
    sourceIp: session.sourceIp,
    sourcePort: session.sourcePort,
    destination: session.destination,
    protocol: session.protocol,
    direction: session.direction,
    correlationId: session.correlationId,
    groups: session.groups,
    priority: session.priority,
    authenticated: session.user !== '',
    startedAt: rfc3339(session.startedAtMs),
    lastActivityAt: rfc3339(session.lastActivityAtMs),
    expiresAt: rfc3339OrNull(session.expiresAtMs),
    endsBy: rfc3339OrNull(session.endsByMs),
    bytesSent: session.bytesSent,
    bytesReceived: session.bytesReceived,
    packetsSent: session.packetsSent,
    packetsReceived: session.packetsReceived,
    channels: session.channels,
    metadata: session.metadata,
  };
}

/** As `sessionView`, for a session whose record cannot be decoded: what is not known is null. It can be ended like any other. */
export function unreadableView({ id, tenant, user, expiresAtMs }: UnreadableSession) {
  return {
    id,
    attempt: null,
    tenant,
    user,
    node: null,
    epoch: null,
    state: 'unreadable' as const,
    from: null,
    to: null,
    sourceIp: null,
    sourcePort: null,
    destination: null,
    protocol: null,
    direction: null,
    correlationId: null,
    groups: [],
    priority: null,
    authenticated: user !== null,
    startedAt: null,
    lastActivityAt: null,
    expiresAt: rfc3339OrNull(expiresAtMs),
    endsBy: null,
    bytesSent: null,
    bytesReceived: null,
    packetsSent: null,
    packetsReceived: null,
    channels: [],
    metadata: null,
  };
}

export type UnreadableView = ReturnType<typeof unreadableView>;

/** A time of the Redis clock as JSON has it: RFC 3339, UTC. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

/** As `rfc3339`; null where there is no such time. */
export function rfc3339OrNull(ms: number | null): string | null {
  return ms === null ? null : rfc3339(ms);
}

function isEnded(session: Session | EndedSession): session is EndedSession {
  return 'endedAtMs' in session;
}
