import type { LiveEvent, EndedEvent, RefusedEvent, TrafficEvent } from '../src/index.js';

interface About {
  tenant?: string;
  user?: string;
  node?: string;
  atMs: number;
  startedAtMs?: number;
}

const envelope = ({ tenant = 'default', atMs }: About) => ({ tenant, atMs, position: `${atMs}-0`, levels: [] });

/** A session is admitted, or, where nothing begins with it, comes back. */
export function live(id: string, about: About & { begins?: boolean }): LiveEvent {
  const { user = 'alice', node = 'proxy-1', atMs, startedAtMs = atMs, begins = true } = about;
  return {
    kind: 'live',
    ...envelope(about),
    begins,
    startedAtMs,
    session: {
      id,
      attempt: 1,
      user,
      node,
      epoch: null,
      state: 'active',
      groups: [],
      priority: 'normal',
      from: null,
      to: null,
      sourceIp: '192.0.2.10',
      sourcePort: 40_000,
      destination: 'example.com:443',
      protocol: 'socks',
      direction: null,
      correlationId: null,
      metadata: null,
    },
  };
}

export function ended(
  sessionId: string,
  about: About & { reason?: EndedEvent['reason']; sent?: number; received?: number },
): EndedEvent {
  const { user = 'alice', atMs, startedAtMs = atMs, reason = 'completed', sent = 0, received = 0 } = about;
  return {
    kind: 'ended',
    ...envelope(about),
    sessionId,
    attempt: 1,
    user,
    node: 'proxy-1',
    startedAtMs,
    endedAtMs: atMs,
    reason,
    note: '',
    totals: { bytesSent: sent, bytesReceived: received },
  };
}

/** By a limit, or by this rule. */
export function refused(id: string, about: About & { count?: number; rule?: string }): RefusedEvent {
  const { user = 'alice', count = 1, rule } = about;
  return {
    kind: 'refused',
    ...envelope(about),
    id,
    sessionId: `of-${id}`,
    user,
    limits: rule === undefined ? [{ scope: 'user', key: user, max: 1, active: 1 }] : [],
    count,
    rule: rule ?? '',
    decision: rule === undefined ? '' : 'block',
    sourceIp: '192.0.2.10',
    sourcePort: 40_000,
    destination: 'example.com:443',
    protocol: 'socks',
    node: '',
    correlationId: null,
  };
}

export function traffic(sessionId: string, about: About & { sent: number }): TrafficEvent {
  const { atMs, startedAtMs = atMs, sent } = about;
  return { kind: 'traffic', ...envelope(about), sessionId, attempt: 1, startedAtMs, totals: { bytesSent: sent } };
}
