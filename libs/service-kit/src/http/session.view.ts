import type { EndedSession, Session } from '#session-core';

/** A session as JSON shows it, on every surface. An ended one has `endedAt` and `endReason` in addition. */
export function sessionView(session: Session | EndedSession) {
  return {
    id: session.id,
    attempt: session.attempt,
    tenant: session.tenant,
    // The end of an id that nobody had seen is remembered without a user.
    user: session.user === '' ? null : session.user,
    node: session.node,
    epoch: session.epoch,
    state: isEnded(session) ? ('ended' as const) : session.state,
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
    ...(isEnded(session) && {
      endedAt: rfc3339(session.endedAtMs),
      endReason: session.endReason,
    }),
  };
}

export type SessionView = ReturnType<typeof sessionView>;

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
